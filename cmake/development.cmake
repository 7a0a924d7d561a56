# For the project's own programs only: warnings, sanitizers, where programs land.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_CXX_EXTENSIONS OFF)

set(PLANECAST_SANITIZE "" CACHE STRING "Sanitizers for the project's own programs, as -fsanitize= takes them")

add_library(planecast_development INTERFACE)
target_compile_options(planecast_development INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast>)
if(PLANECAST_WARNINGS_AS_ERRORS)
  target_compile_options(planecast_development INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(PLANECAST_TEST_PRECOMPILED)
  # As the rest of that option: g++ is done sooner where it does not look for memory to give back from the start.
  target_compile_options(planecast_development INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:SHELL:--param ggc-min-heapsize=600000>)
endif()
if(PLANECAST_SANITIZE)
  if(PLANECAST_SANITIZE STREQUAL thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # g++ warns that it does not see through the fences in Asio; they guard nothing that we share.
    target_compile_options(planecast_development INTERFACE -Wno-tsan)
  endif()
  target_compile_options(planecast_development INTERFACE
    -fsanitize=${PLANECAST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(planecast_development INTERFACE -fsanitize=${PLANECAST_SANITIZE})
endif()
