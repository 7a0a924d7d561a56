# What is installed: the headers, LICENSE, and what find_package and pkg-config read. No file names a place on
# this machine, and all are the same whether or not Asio is here: the prefix may be moved and packed.
include(GNUInstallDirs)

set(planecast_cmake_dir ${CMAKE_INSTALL_DATADIR}/cmake/planecast)
set(planecast_pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

# An export set for each target: the config file reads those whose libraries it has found.
set_target_properties(planecast_socket PROPERTIES EXPORT_NAME socket)
set_target_properties(planecast_cuda PROPERTIES EXPORT_NAME cuda)
install(TARGETS planecast planecast_cuda EXPORT planecast-targets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS planecast_socket EXPORT planecast-socket-targets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT planecast-targets NAMESPACE planecast:: DESTINATION ${planecast_cmake_dir})
install(EXPORT planecast-socket-targets NAMESPACE planecast:: DESTINATION ${planecast_cmake_dir})

configure_file(${PROJECT_SOURCE_DIR}/cmake/planecast-config-version.cmake.in
               ${PROJECT_BINARY_DIR}/planecast-config-version.cmake @ONLY)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/planecast-config.cmake
              ${PROJECT_BINARY_DIR}/planecast-config-version.cmake
        DESTINATION ${planecast_cmake_dir})

# pkg-config finds the prefix from where the .pc file lies.
set(planecast_pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE "${planecast_pkgconfig_dir}")
  string(REGEX REPLACE "[^/]+" ".." planecast_pc_prefix "${planecast_pkgconfig_dir}")
  string(PREPEND planecast_pc_prefix "\${pcfiledir}/")
endif()
set(planecast_pc_include ${CMAKE_INSTALL_INCLUDEDIR})
if(NOT IS_ABSOLUTE "${planecast_pc_include}")
  set(planecast_pc_include "\${prefix}/${planecast_pc_include}")
endif()
foreach(name IN ITEMS planecast planecast-socket)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${planecast_pkgconfig_dir})
endforeach()

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/planecast)
