# SPDX-License-Identifier: Apache-2.0
# One place for compiler flags and for the shape of a library, a tool, a test and a fuzz target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Debug information is of no use to the demo and doubles its link time.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(QAIC_CCACHE ccache)
if(QAIC_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${QAIC_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${QAIC_CCACHE}")
endif()

add_library(qaic_flags INTERFACE)
# No contraction: a fused multiply-add would change results from one instruction set to the next.
target_compile_options(qaic_flags INTERFACE -Wall -Wextra -Werror -Wshadow -ffp-contract=off
                                            $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
if(QAIC_SANITIZE)
  add_compile_options(-fsanitize=${QAIC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${QAIC_SANITIZE})
endif()
if(QAIC_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "QAIC_FUZZ needs clang 16 or newer: cmake --preset fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# qaic_library(NAME SOURCES a.cpp … DEPS other …): a static library, includes rooted at the top level.
function(qaic_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE qaic_flags ${A_PRIVATE_DEPS})
endfunction()

# qaic_tool(NAME SOURCES … DEPS … [ALIAS other-name]): an installed program in build/tools.
function(qaic_tool name)
  cmake_parse_arguments(A "" "ALIAS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${name} PRIVATE ${A_DEPS} qaic_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tools")
  install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  if(A_ALIAS)
    add_custom_command(TARGET ${name} POST_BUILD COMMAND ${CMAKE_COMMAND} -E create_symlink ${name}
                       "${PROJECT_BINARY_DIR}/tools/${A_ALIAS}" VERBATIM)
    install(FILES "${PROJECT_BINARY_DIR}/tools/${A_ALIAS}" DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endfunction()

# qaic_test_program(NAME SOURCES … DEPS …): a GoogleTest program; the caller registers it with add_test.
function(qaic_test_program name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT QAIC_TESTS)
    return()
  endif()
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gtest GTest::gtest_main qaic_flags)
  target_compile_definitions(${name} PRIVATE QAIC_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             QAIC_BINARY_DIR="${PROJECT_BINARY_DIR}")
endfunction()

# qaic_test(NAME SOURCES … DEPS …): as above, and one ctest entry of the same name.
function(qaic_test name)
  if(NOT QAIC_TESTS)
    return()
  endif()
  string(REPLACE "." "_" target "test_${name}")
  qaic_test_program(${target} ${ARGN})
  add_test(NAME ${name} COMMAND ${target})
endfunction()

# qaic_fuzzer(NAME SOURCES … DEPS … CORPUS dir [ONNX]): a libFuzzer target; in other builds the corpus is replayed as a
# test. ONNX: its inputs are models, changed by tests/fuzz/onnx.
function(qaic_fuzzer name)
  cmake_parse_arguments(A "ONNX" "CORPUS" "SOURCES;DEPS" ${ARGN})
  if(QAIC_FUZZ)
    add_executable(${name} ${A_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    if(A_ONNX)
      target_link_libraries(${name} PRIVATE qaic_onnx_mutator)
      add_dependencies(${name} onnx_seeds)
    endif()
  elseif(QAIC_TESTS)
    add_executable(${name} ${A_SOURCES} "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cpp")
    add_test(NAME corpus.${name} COMMAND ${name} "${A_CORPUS}")
  else()
    return()
  endif()
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${name} PRIVATE ${A_DEPS} qaic_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
endfunction()
