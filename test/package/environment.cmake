# Gets Conan and the oldest CMake that the library takes from the Python package index into the virtual environment
# ENVIRONMENT. Where they cannot be had, this and the tests that need them are skipped.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
if(NOT PYTHON)
  skip_test("there is no python3")
endif()

# attempt(what command…): the test is skipped if the command fails.
macro(attempt what)
  execute_process(COMMAND ${ARGN} TIMEOUT 120 RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    string(REGEX REPLACE "[ \n]+" " " output "${output}")
    skip_test("${what} (${result}): ${output}")
  endif()
endmacro()

# lacks(program): sets `lacking` to whether the environment has no such program that runs.
macro(lacks program)
  execute_process(COMMAND ${ENVIRONMENT}/bin/${program} --version RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  set(lacking TRUE)
  if(result EQUAL 0) # it is there from the last time
    set(lacking FALSE)
  endif()
endmacro()

set(pip -m pip install --quiet --disable-pip-version-check --retries 1)
lacks(pip)
if(lacking)
  file(REMOVE_RECURSE ${ENVIRONMENT})
  attempt("python3 makes no virtual environment" ${PYTHON} -m venv ${ENVIRONMENT})
endif()
lacks(conan)
if(lacking)
  attempt("pip does not get Conan" ${ENVIRONMENT}/bin/python ${pip} "conan>=2,<3")
endif()
lacks(cmake)
if(lacking)
  attempt("pip does not get CMake 3.23" ${ENVIRONMENT}/bin/python ${pip} "cmake==3.23.*")
endif()
