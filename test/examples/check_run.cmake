# Runs COMMAND, and checks its exit status and what it says: cmake -DCOMMAND=… -DSTATUS=… -DSAYS=… -P check_run.cmake
# (PASS_REGULAR_EXPRESSION would not look at the status.) Both outputs together are compared with the expression.
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT result STREQUAL STATUS)
  message(FATAL_ERROR "it ended with ${result}, not ${STATUS}:\n${said}")
endif()
if(NOT said MATCHES "${SAYS}")
  message(FATAL_ERROR "it does not say ${SAYS}:\n${said}")
endif()
