# Builds and runs the consumer. WAY and PLACE are the consumer's; PREFIX is where find_package must find it, SOCKET,
# TIMER, STREAM and FLAGS are handed on, and if there is FAILS, the build must fail with that message.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
if(NOT COMPILER)
  skip_test("there is no ${COMPILER_NAME}")
elseif(WAY STREQUAL "FetchContent" AND NOT GIT)
  skip_test("there is no git")
elseif(NOT EXISTS ${CMAKE})
  skip_test("there is no other CMake: see \"package: Python environment\"")
endif()
file(REMOVE_RECURSE ${WORK})

run(${CMAKE} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK} -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}" -DVERSION=${VERSION} -DWAY=${WAY}
    "-DPLACE=${PLACE}" "-DCMAKE_PREFIX_PATH=${PREFIX}" -DSOCKET=${SOCKET} -DTIMER=${TIMER} -DSTREAM=${STREAM}
    -DFETCHCONTENT_QUIET=OFF)
if(PREFIX)
  file(STRINGS ${WORK}/CMakeCache.txt found REGEX "^planecast_DIR:")
  string(FIND "${found}" "${PREFIX}/" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "another planecast than the one in ${PREFIX} was found: ${found}")
  endif()
endif()

if(TIMER)
  run(${CMAKE} --build ${WORK} --target consumer-timer-first consumer-timer-last)
  run_consumer(${WORK}/consumer-timer-first ${WORK}/consumer-timer-last)
  return()
endif()

if(FAILS)
  execute_process(COMMAND ${CMAKE} --build ${WORK} RESULT_VARIABLE result
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result EQUAL 0)
    message(FATAL_ERROR "this builds, and should not")
  elseif(NOT output MATCHES "${FAILS}")
    message(FATAL_ERROR "it fails with another message than '${FAILS}':\n${output}")
  endif()
  return()
endif()

run(${CMAKE} --build ${WORK})
run_consumer(${WORK}/consumer-loopback)
if(SOCKET)
  run_consumer(${WORK}/consumer-socket)
endif()
if(STREAM AND NOT STREAM STREQUAL "SEEN")
  run_consumer(${WORK}/consumer-stream)
endif()

# What the consumer installs is its own.
run(${CMAKE} --install ${WORK} --prefix ${WORK}/prefix)
file(GLOB_RECURSE installed RELATIVE ${WORK}/prefix ${WORK}/prefix/*)
if(NOT installed STREQUAL "bin/consumer-loopback")
  message(FATAL_ERROR "the consumer installs ${installed}")
endif()
