# find_package(planecast [0.1] [COMPONENTS cuda socket]), with CMake 3.23 or later, gives
#   planecast::planecast   the library: C++20 and the standard library alone
#   planecast::cuda        kernels, for units that nvcc compiles
#   planecast::socket      TCP, on standalone Asio and threads, which are looked for where this is read
# Without COMPONENTS, planecast::socket is there if Asio is.

if(CMAKE_VERSION VERSION_LESS 3.23) # older ones know no sets of headers
  set(planecast_FOUND FALSE)
  set(planecast_NOT_FOUND_MESSAGE "planecast needs CMake 3.23 or later; this is ${CMAKE_VERSION}.")
  return()
endif()

find_path(PLANECAST_ASIO_INCLUDE asio.hpp DOC "The directory that holds standalone Asio's asio.hpp")
mark_as_advanced(PLANECAST_ASIO_INCLUDE)
if(CMAKE_C_COMPILER_LOADED OR CMAKE_CXX_COMPILER_LOADED) # without, CMake's FindThreads stops
  find_package(Threads QUIET)
endif()
set(planecast_cuda_FOUND TRUE)
set(planecast_socket_FOUND FALSE)
if(PLANECAST_ASIO_INCLUDE AND Threads_FOUND)
  set(planecast_socket_FOUND TRUE)
endif()

foreach(_planecast_component IN LISTS planecast_FIND_COMPONENTS)
  if(planecast_${_planecast_component}_FOUND OR NOT planecast_FIND_REQUIRED_${_planecast_component})
    continue()
  endif()
  set(planecast_FOUND FALSE)
  if(NOT _planecast_component STREQUAL "socket")
    string(APPEND planecast_NOT_FOUND_MESSAGE
      "planecast has no component ${_planecast_component}; it has cuda and socket. ")
  elseif(NOT PLANECAST_ASIO_INCLUDE)
    string(APPEND planecast_NOT_FOUND_MESSAGE
      "planecast's component socket needs standalone Asio, and asio.hpp was not found: install Asio (Debian: "
      "libasio-dev), or set PLANECAST_ASIO_INCLUDE to the directory that holds asio.hpp. ")
  else()
    string(APPEND planecast_NOT_FOUND_MESSAGE
      "planecast's component socket needs threads, and find_package(Threads) found none. ")
  endif()
endforeach()
unset(_planecast_component)
if(DEFINED planecast_FOUND AND NOT planecast_FOUND)
  return()
endif()

include("${CMAKE_CURRENT_LIST_DIR}/planecast-targets.cmake")
if(planecast_socket_FOUND AND NOT TARGET planecast::socket)
  include("${CMAKE_CURRENT_LIST_DIR}/planecast-socket-targets.cmake")
  set_property(TARGET planecast::socket APPEND PROPERTY
    INTERFACE_INCLUDE_DIRECTORIES "${PLANECAST_ASIO_INCLUDE}")
endif()
