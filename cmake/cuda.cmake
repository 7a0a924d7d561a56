# nvcc, for the project's own kernels: those of the tests and of the benchmarks.

set(PLANECAST_CUDA AUTO CACHE STRING "Compile kernels with nvcc: AUTO where there is one, ON, OFF")
set_property(CACHE PLANECAST_CUDA PROPERTY STRINGS AUTO ON OFF)
set(PLANECAST_HAS_NVCC OFF)
if(PLANECAST_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
endif()
if(PLANECAST_CUDA STREQUAL "AUTO" AND NOT CMAKE_CUDA_COMPILER)
  message(STATUS "planecast: no nvcc, kernels are not compiled")
elseif(PLANECAST_CUDA)
  # Unless others are asked for: sm_80, and sm_90 from the same intermediate code, whose making takes most of
  # the time. The presets cuda-build and cuda-test compile for each architecture as its users do.
  set(planecast_also "")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real)
    set(planecast_also " -gencode=arch=compute_80,code=sm_90")
  endif()
  enable_language(CUDA)
  string(APPEND CMAKE_CUDA_FLAGS "${planecast_also}")
  set(PLANECAST_HAS_NVCC ON)
endif()

# planecast_cuda_program(name sources…): an executable of units that nvcc compiles. They do not link
# planecast::planecast: CMake 3.25 knows no C++20 for nvcc and would refuse its cxx_std_20.
function(planecast_cuda_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE planecast::cuda planecast_development)
  set_target_properties(${name} PROPERTIES CXX_STANDARD 20 CUDA_STANDARD_REQUIRED OFF)
  set(warnings "-Xcompiler=-Wall,-Wextra,-Wshadow")
  if(PLANECAST_WARNINGS_AS_ERRORS)
    list(APPEND warnings -Werror=all-warnings)
  endif()
  target_compile_options(${name} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${warnings}>")
endfunction()
