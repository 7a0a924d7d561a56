# For the scripts of this folder. SOURCE is the project's directory, WORK one that belongs to the test alone, CMAKE the
# CMake that the consumer uses, if not this one.
cmake_policy(VERSION 3.25)
if(NOT CMAKE)
  set(CMAKE ${CMAKE_COMMAND})
endif()

# run(command…): ends the test if it fails; `output` then holds what it printed.
macro(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    set(command ${ARGN})
    list(JOIN command " " command)
    message("${output}")
    message(FATAL_ERROR "this ended with ${result}: ${command}")
  endif()
endmacro()

# skip_test(reason…): what ctest takes for a skipped test.
macro(skip_test)
  message("This test is skipped: " ${ARGN})
  return()
endmacro()

# run_consumer(programs…): each must say that what arrived is equal to what was sent, and of which version.
macro(run_consumer)
  foreach(program IN ITEMS ${ARGN})
    run(${program})
    string(STRIP "${output}" output)
    if(NOT output MATCHES "^planecast ${VERSION} over .* equal to the last bit$")
      message(FATAL_ERROR "${program} says: ${output}")
    endif()
    message("${output}")
  endforeach()
endmacro()

# The version, by the rule that CMakeLists.txt uses.
file(STRINGS ${SOURCE}/include/planecast/version.hpp VERSION REGEX "#define PLANECAST_VERSION_")
string(REGEX MATCHALL "[0-9]+" VERSION "${VERSION}")
list(JOIN VERSION "." VERSION)
