# Installs a library that links planecast and has it as a subdirectory, and finds both where it was installed.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
file(REMOVE_RECURSE ${WORK})

set(configure ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/exporter -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER})
run(${configure} -B ${WORK}/exporter -DPLACE=${SOURCE})
run(${CMAKE_COMMAND} --install ${WORK}/exporter --prefix ${WORK}/prefix)
run(${configure} -B ${WORK}/user -DFROM=${WORK}/prefix -DCMAKE_PREFIX_PATH=${WORK}/prefix)

set(links planecast::planecast)
if(SOCKET)
  list(APPEND links planecast::socket)
endif()
string(FIND "${output}" "links: ${links};" links_at)
string(FIND "${output}" "${WORK}/prefix/include" headers_at)
if(links_at EQUAL -1 OR headers_at EQUAL -1)
  message(FATAL_ERROR "the installed library does not link the planecast beside it:\n${output}")
endif()
