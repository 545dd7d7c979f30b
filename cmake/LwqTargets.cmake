# SPDX-License-Identifier: Apache-2.0
# With LWQ_UNITY the sources of a library or a test are compiled in batches: names in anonymous namespaces must then
# differ within a target.

# What nearly every source of a kind includes, compiled once for all targets of that kind (lwq_precompiled): libraries and
# tests, each without and with LibTorch, whose options differ.
function(lwq_headers name)
  cmake_parse_arguments(ARG "LIBRARY" "" "DEPS;HEADERS" ${ARGN})
  set(source "${CMAKE_BINARY_DIR}/${name}.cc")
  if(ARG_LIBRARY)
    file(GENERATE OUTPUT "${source}" CONTENT "")
    add_library(${name} STATIC "${source}")
  else()
    file(GENERATE OUTPUT "${source}" CONTENT "int main() {}\n")
    add_executable(${name} "${source}")
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} lwq_warnings)
  target_compile_options(${name} PRIVATE -pthread)
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

# What a target depends on where it needs LibTorch's headers.
set(LWQ_USES_TORCH "lwq_(qat_|worker_tasks|fixture|torch)")

# Gives a target of the kind library or test the headers of its kind, where sources are compiled in batches. All that share
# them have -pthread, as it defines a macro.
function(lwq_precompiled name kind deps)
  if(deps MATCHES "${LWQ_USES_TORCH}")
    set(headers lwq_torch_${kind}_headers)
  else()
    set(headers lwq_${kind}_headers)
  endif()
  if(TARGET ${headers})
    target_precompile_headers(${name} REUSE_FROM ${headers})
    target_compile_options(${name} PRIVATE -pthread)
  endif()
endfunction()

# lwq_library(NAME SOURCES file … DEPS target …): one static library per folder. Sources that include generated or third
# party headers add their own dependencies. A library without sources is an INTERFACE library.
function(lwq_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE lwq_warnings)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ${LWQ_UNITY} UNITY_BUILD_BATCH_SIZE 30)
    lwq_precompiled(${name} library "${ARG_DEPS}")
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE "${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} INTERFACE ${ARG_DEPS})
  endif()
endfunction()

# lwq_binary(NAME SOURCES … DEPS …): an executable under build/bin.
function(lwq_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} lwq_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# What builds the tests that compute with LibTorch or start the worker; they also have the label libtorch.
if(LWQ_TESTS AND LWQ_WORKER)
  add_custom_target(libtorch_tests)
endif()

# lwq_test(NAME SUITE unit|property|conformance|simulation|numerics|integration|tidy SOURCES … DEPS … [PROGRAMS target …]
# [TIMEOUT s] [OPTIMIZED]): one GoogleTest binary, one CTest entry; scripts/test adds up the cases of each suite from
# the binaries' own reports. PROGRAMS are built before it: those that it starts. OPTIMIZED: the sources of the test compute
# for long themselves; all with LibTorch are optimized. Nothing without LWQ_TESTS.
# Test data: the macro LWQ_SOURCE_DIR is the repository's root, LWQ_BINARY_DIR the build folder.
function(lwq_test name)
  cmake_parse_arguments(ARG "OPTIMIZED" "SUITE;TIMEOUT" "SOURCES;DEPS;PROGRAMS" ${ARGN})
  if(NOT LWQ_TESTS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${LWQ_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  target_compile_definitions(${name} PRIVATE
    LWQ_SOURCE_DIR="${CMAKE_SOURCE_DIR}" LWQ_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # Tests that compute with LibTorch start as the worker does (library_settings.h).
  set(test_main GTest::gtest_main)
  if(ARG_DEPS MATCHES "lwq_(qat_|worker_tasks|fixture)")
    set(test_main lwq_torch_test_main)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock ${test_main} lwq_warnings)
  if(NOT ARG_OPTIMIZED)
    lwq_precompiled(${name} test "${ARG_DEPS}")
    if(NOT ARG_DEPS MATCHES "${LWQ_USES_TORCH}")
      target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O0>)
    endif()
  endif()
  if(ARG_PROGRAMS)
    add_dependencies(${name} ${ARG_PROGRAMS})
  endif()
  set(labels ${ARG_SUITE})
  if(TARGET libtorch_tests AND "${ARG_DEPS};${ARG_PROGRAMS}" MATCHES "lwq_(qat_|worker_tasks|fixture|test_cluster)|lwq-worker")
    list(APPEND labels libtorch)
    add_dependencies(libtorch_tests ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_output=json:${CMAKE_BINARY_DIR}/reports/${ARG_SUITE}/${name}.json)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  # COST: what may take long starts first, so that no core is idle at the end. OMP_WAIT_POLICY: workers and tests that
  # have it from the start need not start twice (library_settings.h).
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT} COST ${ARG_TIMEOUT}
    ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()
