# The test "static: units by g++ and clang++": skipped, with the reason, where there is only one of them.
set(name clang++)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(name g++)
endif()
find_program(PLANECAST_OTHER_COMPILER ${name} DOC "Compiles one of two units; the project's compiler the other")
mark_as_advanced(PLANECAST_OTHER_COMPILER)
set(lacks "there is no ${name}")
if(PLANECAST_OTHER_COMPILER)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/speaks_cxx20.cpp)
  file(WRITE ${source} "#include <concepts>\n#include <span>\nconstexpr std::span<int> nothing;\n")
  execute_process(COMMAND ${PLANECAST_OTHER_COMPILER} -std=c++20 -fsyntax-only ${source}
                  RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  set(lacks "")
  if(NOT result EQUAL 0)
    set(lacks "${PLANECAST_OTHER_COMPILER} does not speak C++20")
  endif()
endif()
if(lacks)
  add_test(NAME "static: units by g++ and clang++" COMMAND ${CMAKE_COMMAND} -E echo "skipped: ${lacks}")
  set_tests_properties("static: units by g++ and clang++" PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped: ")
  return()
endif()

add_executable(planecast-units-of-two-compilers two_units.cpp)
target_include_directories(planecast-units-of-two-compilers PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(planecast-units-of-two-compilers PRIVATE planecast::planecast planecast_development)
if(TARGET planecast::socket)
  target_link_libraries(planecast-units-of-two-compilers PRIVATE planecast::socket)
  target_compile_definitions(planecast-units-of-two-compilers PRIVATE PLANECAST_TEST_SOCKET)
endif()

# The other unit sees the same headers and macros. Nothing but the language is asked of its compiler's options.
set(unit ${CMAKE_CURRENT_BINARY_DIR}/unit_by_other_compiler.o)
set(includes $<TARGET_PROPERTY:planecast-units-of-two-compilers,INCLUDE_DIRECTORIES>)
set(definitions $<TARGET_PROPERTY:planecast-units-of-two-compilers,COMPILE_DEFINITIONS>)
set(werror "")
if(PLANECAST_WARNINGS_AS_ERRORS)
  set(werror -Werror)
endif()
add_custom_command(OUTPUT ${unit}
  COMMAND ${PLANECAST_OTHER_COMPILER} -std=c++20 -O1 -fPIE -Wall -Wextra ${werror}
          "-I$<JOIN:${includes},;-I>" "$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},;-D>>"
          -MD -MF ${unit}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/other_unit.cpp -o ${unit}
  DEPENDS other_unit.cpp DEPFILE ${unit}.d COMMAND_EXPAND_LISTS VERBATIM
  COMMENT "Compiling a unit with ${PLANECAST_OTHER_COMPILER}")
target_sources(planecast-units-of-two-compilers PRIVATE ${unit})
add_test(NAME "static: units by g++ and clang++" COMMAND planecast-units-of-two-compilers)
