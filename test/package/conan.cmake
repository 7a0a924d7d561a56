# Creates the Conan package, which builds and runs its test package, with and without the option socket. Conan is
# ENVIRONMENT's; where there is none, the test is skipped.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

set(conan ${ENVIRONMENT}/bin/conan)
if(NOT EXISTS ${conan})
  skip_test("there is no Conan: see \"package: Python environment\"")
endif()

file(REMOVE_RECURSE ${WORK}/home ${WORK}/build)
set(ENV{CONAN_HOME} ${WORK}/home)
set(ENV{CXX} ${COMPILER})
run(${conan} profile detect)
set(options --no-remote --build=missing -s compiler.cppstd=20 -c tools.cmake.cmaketoolchain:generator=${GENERATOR}
    -c tools.cmake.cmake_layout:test_folder=${WORK}/build)

# create(program… [OPTION option])
macro(create programs)
  run(${conan} create ${SOURCE}/cmake/conan ${options} ${ARGN})
  foreach(program IN ITEMS ${programs})
    if(NOT output MATCHES "planecast ${VERSION} over ${program}: [0-9]+ bytes, equal to the last bit")
      message(FATAL_ERROR "the test package did not say what it should:\n${output}")
    endif()
    message("${CMAKE_MATCH_0}")
  endforeach()
endmacro()

create("loopback")
run(${conan} list "planecast/${VERSION}:*" --format=compact)
string(REGEX MATCHALL "planecast/${VERSION}#[0-9a-f]+:[0-9a-f]+" packages "${output}")

if(SOCKET)
  set(ENV{ASIO} ${ASIO})
  run(${conan} create ${CMAKE_CURRENT_LIST_DIR}/conan_asio --no-remote)
  create("loopback;TCP" -o "&:socket=True")
  run(${conan} list "planecast/${VERSION}:*" --format=compact)
  string(REGEX MATCHALL "planecast/${VERSION}#[0-9a-f]+:[0-9a-f]+" again "${output}")
  list(LENGTH again count)
  if(NOT count EQUAL 1 OR NOT again STREQUAL packages)
    message(FATAL_ERROR "the options make different packages of the same headers: ${packages}; ${again}")
  endif()
endif()
