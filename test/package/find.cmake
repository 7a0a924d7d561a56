# What find_package answers: versions, components, and where there is no Asio.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
file(REMOVE_RECURSE ${WORK})

set(without_asio -DCMAKE_FIND_ROOT_PATH=${WORK}/nothing -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY)

# ask(arguments-of-find_package targets message [option…]): those targets exist afterwards, and CMake's output
# matches the message, or, if that is empty, holds no word of Asio.
function(ask arguments targets message)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/find -B ${WORK} -G ${GENERATOR} --no-warn-unused-cli
            -U PLANECAST_ASIO_INCLUDE -U CMAKE_FIND_ROOT_PATH* -DCMAKE_CXX_COMPILER=${COMPILER}
            -Dplanecast_ROOT=${PREFIX} "-DARGUMENTS=${arguments}" ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[\n ]+" " " output "${output}")
  set(found "")
  if(output MATCHES "targets: ([^.]*)[.]")
    set(found "${CMAKE_MATCH_1}")
  endif()
  if(NOT found STREQUAL targets)
    message(FATAL_ERROR "find_package(planecast ${arguments}) ${ARGN}: '${found}', not '${targets}':\n${output}")
  elseif(message AND NOT output MATCHES "${message}")
    message(FATAL_ERROR "find_package(planecast ${arguments}) ${ARGN} does not say '${message}':\n${output}")
  elseif(NOT message AND output MATCHES "[Aa]sio|[Ww]arning|NOT_FOUND")
    message(FATAL_ERROR "find_package(planecast ${arguments}) ${ARGN} is not quiet:\n${output}")
  endif()
endfunction()

string(REGEX MATCH "^([0-9]+)[.]([0-9]+)" series ${VERSION})
set(major ${CMAKE_MATCH_1})
math(EXPR next "${CMAKE_MATCH_2} + 1")
math(EXPR last "${CMAKE_MATCH_2} - 1")
math(EXPR next_major "${major} + 1")

set(both "planecast::planecast planecast::socket")
ask("REQUIRED" "${both}" "")
ask("${series} REQUIRED" "${both}" "")
ask("${VERSION} EXACT REQUIRED" "${both}" "")
ask("${series} REQUIRED COMPONENTS socket" "${both}" "")
ask("REQUIRED OPTIONAL_COMPONENTS rdma" "${both}" "")
foreach(other IN ITEMS ${major}.${last} ${major}.${next} ${next_major}.0)
  if(NOT other MATCHES "-") # there is none before .0
    ask("${other} REQUIRED" "" "requested version \"${other}\".*planecast-config.cmake, version: ${VERSION}")
  endif()
endforeach()
# Ranges, which may leave the minor version; and what is left out is zero.
set(after ${major}.${next})
foreach(range IN ITEMS ${series}...${after} 0...${VERSION} 0.0...<${after} ${VERSION}...<${after} 0...<${next_major})
  ask("${range} REQUIRED" "${both}" "")
endforeach()
foreach(range IN ITEMS 0...<${VERSION} ${after}...${next_major} ${next_major}...<9)
  ask("${range} REQUIRED" "" "requested version range.*planecast-config.cmake, version: ${VERSION}")
endforeach()
foreach(part IN ITEMS ${major} ${VERSION}.1)
  if(NOT "${part}.0" VERSION_EQUAL series)
    ask("${part} REQUIRED" "" "requested version \"${part}\".*planecast-config.cmake, version: ${VERSION}")
  endif()
endforeach()
ask("REQUIRED COMPONENTS rdma" "" "planecast has no component rdma; it has cuda and socket")
ask("COMPONENTS rdma" "none" "planecast has no component rdma; it has cuda and socket")

ask("REQUIRED" "planecast::planecast" "" ${without_asio})
ask("REQUIRED OPTIONAL_COMPONENTS socket" "planecast::planecast" "" ${without_asio})
ask("REQUIRED COMPONENTS socket" "" "install Asio [(]Debian: libasio-dev[)], or set PLANECAST_ASIO_INCLUDE"
    ${without_asio})
ask("REQUIRED COMPONENTS socket" "${both}" "" ${without_asio} -DPLANECAST_ASIO_INCLUDE=${ASIO})
