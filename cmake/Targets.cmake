# pointsman_library(NAME SOURCES ... LINKS ...)  one static library per folder
# pointsman_test(NAME SOURCES ... LINKS ... [LABELS ...])  a GoogleTest program
#
# Our targets build with strict warnings as errors; generated code does not.
add_library(pointsman_flags INTERFACE)
target_include_directories(pointsman_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(pointsman_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align
  -Wunused -Wimplicit-fallthrough -Werror=switch -fno-fast-math)
target_compile_definitions(pointsman_flags INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(POINTSMAN_FAULT_POINTS)
  target_compile_definitions(pointsman_flags INTERFACE POINTSMAN_FAULT_POINTS)
endif()
if(POINTSMAN_SANITIZE)
  # -Wnull-dereference and friends see through the instrumentation wrongly.
  target_compile_options(pointsman_flags INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized)
  add_compile_options(-fsanitize=${POINTSMAN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POINTSMAN_SANITIZE})
endif()

# What the fold is computed with: the same bits everywhere (DESIGN 6).
set(POINTSMAN_FOLD_OPTIONS -ffp-contract=off)

function(pointsman_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS;OPTIONS" ${ARGN})
  if(NOT ARG_SOURCES)
    add_library(pointsman_${name} INTERFACE)
    return()
  endif()
  add_library(pointsman_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(pointsman_${name} PUBLIC ${ARG_LINKS} PRIVATE pointsman_flags ${ARG_PRIVATE_LINKS})
  target_compile_options(pointsman_${name} PRIVATE ${ARG_OPTIONS})
  target_include_directories(pointsman_${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

function(pointsman_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} pointsman_flags GTest::gmock GTest::gtest_main)
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)  # an empty value would swallow the next property
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    # Two properties: a list of two variables would not survive the discovery script.
    ENVIRONMENT "POINTSMAN_BIN=${CMAKE_BINARY_DIR}/bin"
    ENVIRONMENT_MODIFICATION "POINTSMAN_SOURCE=set:${CMAKE_SOURCE_DIR}")
endfunction()
