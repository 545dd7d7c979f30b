// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>

#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "worker/qat/api/execution.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/device_cuda.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/library_settings.h"
#include "worker/qat/device/self_check.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {
namespace {

using absl::StatusCode;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

LibraryFacts GoodFacts() {
  LibraryFacts facts;
  facts.sgemm_path = "/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3";
  facts.openblas_path = "/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0";
  facts.openblas_parallel = 2;
  facts.openblas_version = "0.3.21";
  facts.openblas_core = "Haswell";
  facts.instruction_set = "avx512";
  facts.onednn_version = "2.6.3";
  facts.torch_version = "1.13.0";
  facts.capability = "AVX2";
  facts.libm_version = "2.36";
  facts.omp_wait_policy = "passive";
  facts.gemm_gflops = 100;
  return facts;
}

TEST(SelfCheck, AGoodInstallationHasNoProblemAndNamesItsLibraries) {
  EXPECT_EQ(DiagnoseLibraries(GoodFacts(), 2), "");
  EXPECT_EQ(DescribeLibraries(GoodFacts()), "torch-1.13.0-AVX2 openblas-0.3.21-Haswell onednn-2.6.3 libm-2.36");
}

TEST(SelfCheck, MklInsideLibTorchIsNamedWhateverOtherBlasIsLoadedAndIsNoReferenceBlas) {
  LibraryFacts facts = GoodFacts();
  facts.mkl_version = "2024.2";
  facts.settings = {"MKL_CBWR=AVX2"};
  EXPECT_EQ(DescribeLibraries(facts), "torch-1.13.0-AVX2 mkl-2024.2 onednn-2.6.3 libm-2.36 MKL_CBWR=AVX2");
  facts.sgemm_path = "/opt/torch/lib/libtorch_cpu.so";
  facts.gemm_gflops = 12;
  EXPECT_FALSE(Has(DiagnoseLibraries(facts, 1), "reference BLAS"));
}

TEST(SelfCheck, AReferenceBlasIsNamedWithThePackageThatMendsIt) {
  LibraryFacts facts = GoodFacts();
  facts.sgemm_path = "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0";
  facts.gemm_gflops = 4.2;
  const std::string problem = DiagnoseLibraries(facts, 1);
  EXPECT_TRUE(Has(problem, "reference BLAS") && Has(problem, facts.sgemm_path) && Has(problem, "libopenblas0-openmp"))
      << problem;
  // OpenBLAS is loaded too (facts say so), but it is not what multiplies.
  EXPECT_EQ(DescribeLibraries(facts), "torch-1.13.0-AVX2 blas-libblas.so.3.11.0 onednn-2.6.3 libm-2.36");
}

TEST(SelfCheck, ThePthreadBuildOfOpenBlasIsNamed) {
  LibraryFacts facts = GoodFacts();
  facts.openblas_parallel = 1;
  facts.openblas_path = "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0";
  EXPECT_TRUE(Has(DiagnoseLibraries(facts, 1), "pthread build (" + facts.openblas_path));
  EXPECT_TRUE(Has(DescribeLibraries(facts), "Haswell-pthread"));
}

TEST(SelfCheck, SlowProductsAreNamedEvenWithTheRightLibrary) {
  LibraryFacts facts = GoodFacts();
  facts.gemm_gflops = 12;
  EXPECT_TRUE(Has(DiagnoseLibraries(facts, 1), "12.0 GFLOP/s"));
}

TEST(SelfCheck, KernelsOfAnOlderCpuAreNamed) {
  LibraryFacts facts = GoodFacts();
  facts.openblas_core = "Prescott";
  EXPECT_TRUE(Has(DiagnoseLibraries(facts, 1), "Prescott kernels on a CPU with avx512"));
  facts.instruction_set = "scalar";
  EXPECT_EQ(DiagnoseLibraries(facts, 1), "");
}

TEST(LibrarySettings, TheKernelsFollowWhatTheCpuCanDoNotItsModelNumber) {
  using Settings = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(LibrarySettings(InstructionSet::kAvx512),
            (Settings{{"OMP_WAIT_POLICY", "passive"}, {"OPENBLAS_CORETYPE", "SkylakeX"}}));
  EXPECT_EQ(LibrarySettings(InstructionSet::kAvx2),
            (Settings{{"OMP_WAIT_POLICY", "passive"}, {"OPENBLAS_CORETYPE", "Haswell"}}));
  EXPECT_EQ(LibrarySettings(InstructionSet::kScalar), (Settings{{"OMP_WAIT_POLICY", "passive"}}));
}

TEST(LibrarySettings, ThisProcessWasStartedWithThem) {
  for (const auto& [name, value] : LibrarySettings(DetectInstructionSet())) {
    EXPECT_NE(std::getenv(name.c_str()), nullptr) << name;
  }
}

TEST(SelfCheck, SpinningThreadsAreAProblemOnlyWithMoreThanOneThread) {
  LibraryFacts facts = GoodFacts();
  facts.omp_wait_policy = "";
  EXPECT_EQ(DiagnoseLibraries(facts, 1), "");
  EXPECT_TRUE(Has(DiagnoseLibraries(facts, 2), "OMP_WAIT_POLICY=passive"));
}

TEST(SelfCheck, ThisBinaryMultipliesWithTheOpenMpOpenBlasWhereItIsInstalled) {
  const LibraryFacts facts = InspectLibraries();
  if (!Has(facts.openblas_path + facts.sgemm_path, "openblas")) {
    GTEST_SKIP() << "LibTorch of this machine does not use OpenBLAS: " << DescribeLibraries(facts);
  }
  EXPECT_EQ(facts.openblas_parallel, 2) << facts.openblas_path;
  EXPECT_TRUE(Has(facts.sgemm_path, "openblas-openmp")) << facts.sgemm_path;
  EXPECT_TRUE(Has(facts.openblas_path, "openblas-openmp")) << facts.openblas_path;
  EXPECT_GT(facts.gemm_gflops, 0);
}

TEST(SelfCheck, TheLoadedLibTorchTellsEverythingThatTheClassNeeds) {
  const LibraryFacts facts = InspectLibraries();
  EXPECT_FALSE(facts.torch_version.empty());
  EXPECT_FALSE(facts.capability.empty());
  EXPECT_FALSE(facts.onednn_version.empty());
  EXPECT_FALSE(facts.libm_version.empty());
}

// As a worker on Debian's LibTorch and one on PyPI's must be told apart: what LibTorch says of itself, against the
// headers it was compiled with and the functions that the process has.
TEST(SelfCheck, TheLoadedLibTorchIsTheOneCompiledForAndItsProductsLibraryIsNamed) {
  const LibraryFacts facts = InspectLibraries();
  EXPECT_EQ(facts.torch_version, TORCH_VERSION);
  const std::string described = DescribeLibraries(facts);
  EXPECT_TRUE(Has(described, "torch-" TORCH_VERSION "-")) << described;
  const bool has_mkl = dlsym(RTLD_DEFAULT, "MKL_Get_Version_String") != nullptr;
  EXPECT_EQ(Has(described, " mkl-2"), has_mkl) << described;
  EXPECT_EQ(Has(described, " openblas-") || Has(described, " blas-"), !has_mkl) << described;
}

TEST(Runtime, InspectDeviceDescribesThisMachine) {
  ASSERT_TRUE(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = 0}).ok());
  const DeviceInfo info = InspectDevice();
  EXPECT_EQ(info.device, "cpu");
  EXPECT_FALSE(info.device_model.empty());
  EXPECT_EQ(info.instruction_set, InstructionSetName(DetectInstructionSet()));
  EXPECT_EQ(info.hardware_bf16, Has(info.instruction_set, "+bf16"));
  EXPECT_TRUE(Has(info.libraries, "torch-")) << info.libraries;
  EXPECT_GT(info.memory_bytes, 0);
  EXPECT_EQ(at::get_num_threads(), 1);
}

TEST(Runtime, ImpossibleThreadCountsAndLimitsAreInvalidArguments) {
  EXPECT_EQ(InitRuntime({.device = "cpu", .max_threads = 0, .memory_limit_bytes = 0}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(InitRuntime({.device = "cpu", .max_threads = 1 << 20, .memory_limit_bytes = 0}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = -1}).code(),
            StatusCode::kInvalidArgument);
}

TEST(Device, UnknownNamesAreInvalidArguments) {
  for (const char* name :
       {"", "gpu", "CPU", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:999999999999", "cuda: 1"}) {
    const Status status = OpenDevice(name).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(Has(std::string(status.message()), "use cpu or cuda:N")) << status;
  }
}

TEST(Device, CudaIsRefusedWithOneLineWhereThereIsNoSuchDevice) {
  const std::string beyond = "cuda:" + std::to_string(CudaDeviceCount());
  const Status status = InitRuntime({.device = beyond, .max_threads = 1, .memory_limit_bytes = 0});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  const std::string reason =
      TorchHasCuda() ? "device " + beyond + ": this machine has " : std::string("built without CUDA");
  EXPECT_TRUE(Has(std::string(status.message()), reason)) << status;
  EXPECT_FALSE(Has(std::string(status.message()), "\n"));
}

TEST(Threads, ScopedThreadsGivesTheOldNumberBack) {
  at::set_num_threads(1);
  {
    const ScopedThreads two(2);
    EXPECT_EQ(at::get_num_threads(), 2);
  }
  EXPECT_EQ(at::get_num_threads(), 1);
}

TEST(Threads, ParallelForCoversEveryItemOnceAndRethrows) {
  for (const int threads : {1, 2}) {
    const ScopedThreads with(threads);
    std::vector<int> seen(10007, 0);
    ParallelFor(10007, 10, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) ++seen[static_cast<size_t>(i)];
    });
    EXPECT_EQ(seen, std::vector<int>(10007, 1));
    EXPECT_THROW(ParallelFor(100, 1, [](int64_t, int64_t) { throw std::bad_alloc(); }), std::bad_alloc);
    ParallelFor(0, 1, [](int64_t, int64_t) { FAIL() << "nothing to do"; });
  }
}

TEST(Threads, ParallelForUsesTwoThreadsWhenTold) {
  const ScopedThreads two(2);
  std::vector<int64_t> firsts(2, -1);
  ParallelFor(2, 1, [&](int64_t first, int64_t last) {
    EXPECT_EQ(last, first + 1);  // one item each, so two calls
    firsts[static_cast<size_t>(first)] = first;
  });
  EXPECT_EQ(firsts, (std::vector<int64_t>{0, 1}));
}

TEST(TorchGuard, PassesValuesAndStatusesThrough) {
  EXPECT_EQ(*TorchGuard("x", [] { return 3; }), 3);
  EXPECT_EQ(*TorchGuard("x", []() -> StatusOr<int> { return 4; }), 4);
  EXPECT_TRUE(TorchGuard("x", [] {}).ok());
  EXPECT_EQ(TorchGuard("x", []() -> Status { return absl::CancelledError("stop"); }), absl::CancelledError("stop"));
}

TEST(TorchGuard, MakesExceptionsStatuses) {
  const Status shapes = TorchGuard("training block 3", [] { at::mm(at::ones({2, 3}), at::ones({2, 3})); });
  EXPECT_EQ(shapes.code(), StatusCode::kInternal);
  EXPECT_TRUE(Has(std::string(shapes.message()), "training block 3: LibTorch failed: ")) << shapes;
  EXPECT_FALSE(Has(std::string(shapes.message()), "\n")) << shapes;
  EXPECT_EQ(TorchGuard("x", [] { throw std::bad_alloc(); }).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(TorchGuard("x", [] { throw 3; }).code(), StatusCode::kInternal);
  EXPECT_EQ(TorchGuard("x", [] { throw StatusError(absl::DataLossError("bad")); }), absl::DataLossError("x: bad"));
  EXPECT_EQ(TorchGuard("x", [] { TORCH_CHECK(false, "CUDA out of memory. Tried to allocate 2 GiB"); }).code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(TorchGuard("x", [] { TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"); }).code(),
            StatusCode::kResourceExhausted);
}

class BigBackward : public torch::autograd::Function<BigBackward> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list) {
    return {at::empty({64 << 20}, at::kByte).to(at::kFloat)};
  }
};

TEST(TorchGuard, MemoryThatRunsOutInsideBackwardIsResourceExhausted) {
  ASSERT_TRUE(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = 32 << 20}).ok());
  const Status status = TorchGuard("training", [] {
    const at::Tensor x = at::ones({4}).requires_grad_();
    BigBackward::apply(x).sum().backward();
  });
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  ASSERT_TRUE(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = 0}).ok());
}

HostTensor Host(DType dtype, std::vector<int64_t> shape, std::string bytes) {
  HostTensor host;
  host.dtype = dtype;
  host.shape = std::move(shape);
  host.bytes = Bytes::FromString(std::move(bytes));
  return host;
}

TEST(HostTensorBorder, EveryDtypeSurvivesTheRoundTrip) {
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kU8, DType::kI8, DType::kI32, DType::kI64, DType::kF64}) {
    const at::Tensor tensor = at::arange(12).reshape({3, 4}).to(ScalarTypeOf(dtype));
    const HostTensor host = ToHostTensor(tensor);
    EXPECT_EQ(host.dtype, dtype);
    EXPECT_EQ(host.shape, (std::vector<int64_t>{3, 4}));
    EXPECT_TRUE(ToTensor(host, ScalarTypeOf(dtype), at::kCPU).equal(tensor)) << DTypeName(dtype);
    EXPECT_TRUE(ToTensor(host, at::kFloat, at::kCPU).equal(tensor.to(at::kFloat))) << DTypeName(dtype);
  }
}

TEST(HostTensorBorder, UnalignedBytesAreRead) {
  std::string bytes(1 + 16, 'x');
  const float values[4] = {1, -2, 3.5, 4};
  std::memcpy(bytes.data() + 1, values, sizeof values);
  HostTensor host = Host(DType::kF32, {4}, bytes);
  host.bytes = host.bytes.Slice(1, 16);
  EXPECT_TRUE(ToTensor(host, at::kDouble, at::kCPU).equal(at::tensor({1.0, -2.0, 3.5, 4.0}, at::kDouble)));
}

TEST(HostTensorBorder, ATensorFromAHostTensorIsACopy) {
  const HostTensor host = ToHostTensor(at::ones({3}));
  ToTensor(host, at::kFloat, at::kCPU).zero_();
  EXPECT_TRUE(ToTensor(host, at::kFloat, at::kCPU).equal(at::ones({3})));
}

TEST(HostTensorBorder, BytesThatDoNotMatchTheShapeAreInvalidArguments) {
  for (const HostTensor& bad :
       {Host(DType::kF32, {2, 2}, std::string(15, 'x')), Host(DType::kF32, {2, 2}, std::string(17, 'x')),
        Host(DType::kF32, {-1}, ""), Host(DType::kF32, {1LL << 62, 8}, "")}) {
    const Status status = TorchGuard("reading", [&] { ToTensor(bad, at::kFloat, at::kCPU); });
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  }
}

TEST(HostTensorBorder, StridedTensorsAreWrittenRowMajor) {
  const at::Tensor tensor = at::arange(6).reshape({2, 3}).t();
  EXPECT_TRUE(ToTensor(ToHostTensor(tensor), at::kLong, at::kCPU).equal(tensor.contiguous()));
}

TEST(HostTensorBorder, TypesThatFilesCannotHoldAreInvalidArguments) {
  const Status status = TorchGuard("writing", [] { ToHostTensor(at::ones({2}, at::kComplexFloat)); });
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
}

}  // namespace
}  // namespace lwq::qat
