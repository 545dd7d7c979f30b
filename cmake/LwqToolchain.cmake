# SPDX-License-Identifier: Apache-2.0
# Compiler launcher, linker, warnings and sanitizers: everything that applies to every target.
# Sloppiness: ccache keeps nothing that uses precompiled headers otherwise; sources here use no __TIME__.
find_program(LWQ_CCACHE ccache)
if(LWQ_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${LWQ_CCACHE}")
endif()

find_program(LWQ_MOLD mold)
if(LWQ_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(LWQ_SANITIZE)
  add_compile_options(-fsanitize=${LWQ_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LWQ_SANITIZE})
endif()

# GCC collects its garbage from 128 MB on, for a tenth of the time that a large source takes. With a gigabyte most never do.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options("SHELL:--param ggc-min-heapsize=1000000")
endif()
if(LWQ_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Floating-point results are part of the contract: no contraction of a*b+c into a fused multiply-add behind our back.
add_compile_options(-ffp-contract=off)

add_library(lwq_warnings INTERFACE)
target_compile_options(lwq_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wunused-result -Werror)
if(LWQ_FUZZ)
  target_compile_options(lwq_warnings INTERFACE -Wno-error)  # Clang has warnings of its own, and scripts/lint for them
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  # GCC 14 sees writes beyond vectors in LibTorch's inlined headers that are not there.
  target_compile_options(lwq_warnings INTERFACE -Wno-error=array-bounds -Wno-error=stringop-overflow)
endif()

find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.71 REQUIRED)  # headers alone, for common/search and reporting/trackers
find_package(CURL 7.84 REQUIRED)  # common/http
find_package(pugixml CONFIG REQUIRED)  # common/s3
find_package(Snappy CONFIG REQUIRED)  # common/parquet
find_package(ICU REQUIRED COMPONENTS uc)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)  # coordinator/store
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)  # common/http_server, common/metrics, coordinator/web
pkg_check_modules(NCURSES REQUIRED ncursesw)  # client/watch
find_package(SQLiteCpp CONFIG REQUIRED)
if(LWQ_TESTS)
  find_package(GTest CONFIG REQUIRED)
  find_package(rapidcheck CONFIG REQUIRED)
endif()
if(LWQ_BENCH)
  find_package(benchmark CONFIG REQUIRED)
endif()

if(NOT LWQ_WORKER)
  return()
endif()

# LibTorch is found here and linked by worker/qat alone (lwq_torch); nothing else may name it.
find_package(Torch REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)  # worker/qat/device
add_library(lwq_torch INTERFACE)
target_link_libraries(lwq_torch INTERFACE ${TORCH_LIBRARIES})
target_include_directories(lwq_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
# LibTorch's own headers include single operators, not all of them: 3 s less for each source.
target_compile_definitions(lwq_torch INTERFACE AT_PER_OPERATOR_HEADERS)
# What most sources with LibTorch include (lwq_precompiled).
set(LWQ_TORCH_HEADERS <ATen/core/Tensor.h> <ATen/TensorOperators.h> <ATen/ops/empty.h> <ATen/ops/randn.h> <ATen/ops/tensor.h>
  <ATen/ops/zeros.h> <c10/core/GradMode.h> <torch/csrc/autograd/autograd.h> <torch/csrc/autograd/custom_function.h>)
# Debian's libblas.so.3 alternatives lead to a reference BLAS or to the pthread OpenBLAS; DT_RPATH (not DT_RUNPATH) is
# also used for the dependencies of libtorch_cpu, and so pins the OpenMP build. See docs/adr/0003-blas.md. A LibTorch from
# elsewhere has its BLAS inside.
set(LWQ_OPENBLAS_DIR "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp")
if(TORCH_INSTALL_PREFIX MATCHES "^/usr(/|$)" AND EXISTS "${LWQ_OPENBLAS_DIR}")
  target_link_options(lwq_torch INTERFACE "LINKER:--disable-new-dtags,-rpath,${LWQ_OPENBLAS_DIR}")
endif()
