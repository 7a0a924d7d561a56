# cmake -DCOMPILE=command… -DEXPECT=regex -P compile_fails.cmake: passes if the command fails with that message,
# or, without one, if it succeeds.
set(ENV{LC_ALL} C) # messages in English
execute_process(COMMAND ${COMPILE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(EXPECT STREQUAL "")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "this does not compile, and should: ${COMPILE}\n${output}")
  endif()
  return()
endif()
if(result EQUAL 0)
  message(FATAL_ERROR "this compiles, and should not: ${COMPILE}")
endif()
if(NOT output MATCHES "${EXPECT}")
  message(FATAL_ERROR "it fails with another message than '${EXPECT}':\n${output}")
endif()
