# An overlay port: vcpkg install planecast --overlay-ports=cmake/vcpkg. It installs the checkout that it stands in,
# which vcpkg does not see when it looks whether its cache of built packages has this one: usage says what to do.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

set(VCPKG_BUILD_TYPE release) # headers only
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DPLANECAST_BUILD_TESTS=OFF
    -DPLANECAST_BUILD_EXAMPLES=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/planecast)
# vcpkg keeps what links anything, be it -pthread, out of share/.
file(MAKE_DIRECTORY "${CURRENT_PACKAGES_DIR}/lib/pkgconfig")
file(RENAME "${CURRENT_PACKAGES_DIR}/share/pkgconfig/planecast-socket.pc"
            "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/planecast-socket.pc")
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
