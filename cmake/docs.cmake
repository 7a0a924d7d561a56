# The reference, by Doxygen, from the comments in the headers: cmake --workflow --preset docs
# A public entity without a comment, or a comment that Doxygen does not understand, is an error.

find_package(Doxygen 1.9 REQUIRED)

get_target_property(headers planecast HEADER_SET)
get_target_property(socket_headers planecast_socket HEADER_SET)
get_target_property(cuda_headers planecast_cuda HEADER_SET)
list(APPEND headers ${socket_headers} ${cuda_headers})
list(FILTER headers EXCLUDE REGEX "/detail/")
file(GLOB guides CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/guides/*.md
     ${PROJECT_SOURCE_DIR}/.github/CONTRIBUTING.md)

set(DOXYGEN_PROJECT_NAME planecast)
set(DOXYGEN_PROJECT_BRIEF "${PROJECT_DESCRIPTION}")
set(DOXYGEN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/docs)
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE ${PROJECT_SOURCE_DIR}/README.md)
set(DOXYGEN_STRIP_FROM_PATH ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
set(DOXYGEN_STRIP_FROM_INC_PATH ${PROJECT_SOURCE_DIR}/include)
set(DOXYGEN_INCLUDE_PATH ${PROJECT_SOURCE_DIR}/include)
set(DOXYGEN_EXTENSION_MAPPING cuh=C++)
set(DOXYGEN_FILTER_PATTERNS "*.cuh=sed -E -f '${CMAKE_CURRENT_LIST_DIR}/docs/headers.sed'"
                            "*.hpp=sed -E -f '${CMAKE_CURRENT_LIST_DIR}/docs/headers.sed'"
                            "*.md=sed -E -f '${CMAKE_CURRENT_LIST_DIR}/docs/guides.sed'")
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)
set(DOXYGEN_EXCLUDE_SYMBOLS "*::detail" "*::detail::*" "detail")
set(DOXYGEN_HIDE_FRIEND_COMPOUNDS YES)
set(DOXYGEN_ENABLE_PREPROCESSING YES)
set(DOXYGEN_MACRO_EXPANSION YES)
set(DOXYGEN_EXPAND_ONLY_PREDEF YES)
set(DOXYGEN_PREDEFINED PLANECAST_HOST_DEVICE= __cplusplus=202002L)
set(DOXYGEN_SORT_MEMBER_DOCS NO)
set(DOXYGEN_DISTRIBUTE_GROUP_DOC YES)
set(DOXYGEN_GENERATE_TREEVIEW YES)
set(DOXYGEN_LAYOUT_FILE ${CMAKE_CURRENT_LIST_DIR}/docs/layout.xml)
set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)
set(DOXYGEN_WARN_NO_PARAMDOC NO)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
set(DOXYGEN_QUIET YES)
set(DOXYGEN_GENERATE_LATEX NO)
set(DOXYGEN_HAVE_DOT NO)

doxygen_add_docs(planecast-docs ${headers} ${PROJECT_SOURCE_DIR}/README.md ${guides}
                 COMMENT "The reference: docs/html/index.html")

# As a test, so that it is counted as one.
enable_testing()
add_test(NAME "docs: the reference" COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target planecast-docs)
