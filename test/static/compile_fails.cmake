# cmake -DCOMPILE=command… -DEXPECT=regex -P compile_fails.cmake: passes if the command fails with that message.
execute_process(COMMAND ${COMPILE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "this compiles, and should not: ${COMPILE}")
endif()
if(NOT output MATCHES "${EXPECT}")
  message(FATAL_ERROR "it fails with another message than '${EXPECT}':\n${output}")
endif()
