# Makes a git repository at REPOSITORY of the project's files as they are, with the version as its tag.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
if(NOT GIT)
  skip_test("there is no git")
endif()
file(REMOVE_RECURSE ${REPOSITORY})
foreach(entry IN ITEMS CMakeLists.txt CMakePresets.json LICENSE README.md .gitignore bench cmake examples include test)
  if(EXISTS ${SOURCE}/${entry})
    file(COPY ${SOURCE}/${entry} DESTINATION ${REPOSITORY})
  endif()
endforeach()

# Whatever git is told elsewhere: no templates, hooks, signatures or files that are ignored.
set(git ${GIT} -C ${REPOSITORY} -c user.name=test -c user.email=test@localhost -c commit.gpgsign=false
        -c tag.gpgsign=false -c core.hooksPath=/dev/null -c core.excludesFile=/dev/null)
run(${git} init --quiet --template=)
run(${git} add --all)
run(${git} commit --quiet --message "as it is")
run(${git} tag v${VERSION})
