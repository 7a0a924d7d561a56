# Runs the vcpkg port, with stand-ins for vcpkg's own functions, and lets the consumer use what it packs. It shows that
# the port's steps fit the library, not that vcpkg takes the port: vcpkg itself is not here.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/vcpkg_stand_ins.cmake)
file(REMOVE_RECURSE ${WORK})

set(CURRENT_PORT_DIR ${SOURCE}/cmake/vcpkg/planecast)
file(READ ${CURRENT_PORT_DIR}/vcpkg.json manifest)
string(JSON PORT GET "${manifest}" name)
string(JSON version GET "${manifest}" version)
if(NOT version STREQUAL VERSION)
  message(FATAL_ERROR "vcpkg.json says ${version}, version.hpp ${VERSION}")
endif()
string(JSON dependency GET "${manifest}" features socket dependencies 0)
if(NOT dependency STREQUAL "asio")
  message(FATAL_ERROR "the feature socket needs ${dependency}")
endif()

set(CURRENT_BUILDTREES_DIR ${WORK}/buildtree)
set(CURRENT_PACKAGES_DIR ${WORK}/package)
include(${CURRENT_PORT_DIR}/portfile.cmake)

# What vcpkg asks of a package of headers: these folders and no others, a copyright, and in share/pkgconfig nothing
# that links.
file(GLOB entries RELATIVE ${CURRENT_PACKAGES_DIR} ${CURRENT_PACKAGES_DIR}/* ${CURRENT_PACKAGES_DIR}/share/*)
if(NOT entries STREQUAL "include;lib;share;share/pkgconfig;share/planecast")
  message(FATAL_ERROR "the package holds ${entries}")
endif()
foreach(file IN ITEMS share/planecast/copyright share/planecast/usage share/planecast/planecast-config.cmake
                      share/planecast/planecast-config-version.cmake share/planecast/planecast-targets.cmake
                      share/planecast/planecast-socket-targets.cmake share/pkgconfig/planecast.pc
                      lib/pkgconfig/planecast-socket.pc)
  if(NOT EXISTS ${CURRENT_PACKAGES_DIR}/${file})
    message(FATAL_ERROR "the package lacks ${file}")
  endif()
endforeach()
file(STRINGS ${CURRENT_PACKAGES_DIR}/share/pkgconfig/planecast.pc links REGEX "^Libs")
if(links)
  message(FATAL_ERROR "share/pkgconfig/planecast.pc has ${links}")
endif()

# vcpkg lays all that is installed into one folder: the package, and with the feature socket its port of Asio, for
# which this machine's stands in.
set(installed ${WORK}/installed)
file(COPY ${CURRENT_PACKAGES_DIR}/ DESTINATION ${installed})
set(programs ${WORK}/consumer/consumer-loopback)
if(SOCKET)
  file(COPY ${ASIO}/asio.hpp ${ASIO}/asio DESTINATION ${installed}/include)
  list(APPEND programs ${WORK}/consumer/consumer-socket)
endif()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK}/consumer -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${COMPILER} -DWAY=find_package -DVERSION=${VERSION} -DSOCKET=${SOCKET}
    -DCMAKE_PREFIX_PATH=${installed})
file(STRINGS ${WORK}/consumer/CMakeCache.txt asio REGEX "^PLANECAST_ASIO_INCLUDE:")
if(SOCKET AND NOT asio STREQUAL "PLANECAST_ASIO_INCLUDE:PATH=${installed}/include")
  message(FATAL_ERROR "another Asio than that of the feature socket was found: ${asio}")
endif()
run(${CMAKE_COMMAND} --build ${WORK}/consumer)
run_consumer(${programs})
