// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "worker/qat/api/execution.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/host_memory.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(HostMemory, CountsExactlyWhatWasAskedFor) {
  HostMemory memory;
  void* small = *memory.Allocate(1);
  void* large = *memory.Allocate(5 * kMiB + 3);
  EXPECT_EQ(memory.use().current_bytes, 5 * kMiB + 4);
  memory.Free(large);
  EXPECT_EQ(memory.use().current_bytes, 1);
  EXPECT_EQ(memory.use().peak_bytes, 5 * kMiB + 4);
  memory.ResetPeak();
  EXPECT_EQ(memory.use().peak_bytes, 1);
  memory.Free(small);
  EXPECT_EQ(memory.use().current_bytes, 0);
  EXPECT_EQ(memory.use().held_bytes, memory.use().cached_bytes);
}

TEST(HostMemory, NoBytesAreNoBlock) {
  HostMemory memory;
  EXPECT_EQ(*memory.Allocate(0), nullptr);
  memory.Free(nullptr);
  EXPECT_EQ(memory.use().held_bytes, 0);
}

TEST(HostMemory, HeldSizesCoverTheRequestWithAtMostAnEighthOfWaste) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; ++i) {
    const int64_t bytes = static_cast<int64_t>(random() >> (14 + random() % 40)) + 1;
    const int64_t held = HostMemory::HeldBytes(bytes);
    ASSERT_GE(held, bytes);
    ASSERT_LE(held, bytes + std::max<int64_t>(bytes / 8, 4096)) << bytes;
    ASSERT_EQ(HostMemory::HeldBytes(held), held) << bytes;  // a class is its own class
  }
}

TEST(HostMemory, AFreedBlockIsGivenOutAgain) {
  HostMemory memory;
  void* first = *memory.Allocate(3 * kMiB);
  memory.Free(first);
  EXPECT_EQ(memory.use().cached_bytes, HostMemory::HeldBytes(3 * kMiB));
  void* second = *memory.Allocate(3 * kMiB - 100);  // of the same size class
  EXPECT_EQ(second, first);
  EXPECT_EQ(memory.use().cached_bytes, 0);
  memory.Free(second);
}

TEST(HostMemory, BlocksAreAlignedAndLargeOnesLieOnHugePages) {
  HostMemory memory;
  for (const int64_t bytes : {1L, 63L, 65L, 4097L, 100000L, 2 * kMiB, 7 * kMiB + 1}) {
    void* block = *memory.Allocate(bytes);
    const uintptr_t alignment = bytes >= 2 * kMiB ? 2 * kMiB : 64;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u) << bytes;
    std::memset(block, 1, static_cast<size_t>(bytes));
    memory.Free(block);
  }
}

TEST(HostMemory, TheLimitIsReachedExactlyAndNeverPassed) {
  HostMemory memory;
  memory.SetLimit(8 * kMiB);
  void* a = *memory.Allocate(4 * kMiB);
  void* b = *memory.Allocate(4 * kMiB);
  const Status refused = memory.Allocate(1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("memory limit of 8.0 MiB"), std::string::npos) << refused;
  EXPECT_EQ(memory.use().current_bytes, 8 * kMiB);  // a refused request is not counted
  memory.Free(a);
  a = *memory.Allocate(4 * kMiB);
  memory.Free(a);
  memory.Free(b);
}

TEST(HostMemory, CachedBlocksAreReleasedBeforeARequestIsRefused) {
  HostMemory memory;
  memory.SetLimit(8 * kMiB);
  void* a = *memory.Allocate(4 * kMiB);
  void* b = *memory.Allocate(3 * kMiB);
  memory.Free(a);
  memory.Free(b);
  StatusOr<void*> whole = memory.Allocate(8 * kMiB);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(memory.use().held_bytes, 8 * kMiB);
  memory.Free(*whole);
}

TEST(HostMemory, LoweringTheLimitReleasesTheCacheAndLaterFreesGoToTheSystem) {
  HostMemory memory;
  void* used = *memory.Allocate(4 * kMiB);
  memory.Free(*memory.Allocate(8 * kMiB));
  memory.SetLimit(2 * kMiB);
  EXPECT_EQ(memory.use().cached_bytes, 0);
  EXPECT_EQ(memory.use().held_bytes, 4 * kMiB);
  memory.Free(used);
  EXPECT_EQ(memory.use().held_bytes, 0);
}

TEST(HostMemory, HostileSizesAreRefused) {
  HostMemory memory;
  for (const int64_t bytes :
       {int64_t{-1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), int64_t{1} << 60}) {
    EXPECT_EQ(memory.Allocate(bytes).status().code(), absl::StatusCode::kResourceExhausted) << bytes;
  }
  EXPECT_EQ(memory.use().held_bytes, 0);
}

TEST(HostMemory, ManyThreadsAllocateAndFreeEachOthersBlocks) {
  HostMemory memory;
  memory.SetLimit(64 * kMiB);
  constexpr int kThreads = 4;
  constexpr int kBlocks = 200;
  std::vector<std::vector<void*>> blocks(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kBlocks; ++i) {
        void* block = *memory.Allocate(1000 + 977 * i % 70000);
        std::memset(block, t, 1000);
        if (i % 3 == 0) {
          memory.Free(block);
        } else {
          blocks[static_cast<size_t>(t)].push_back(block);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (void* block : blocks[static_cast<size_t>((t + 1) % kThreads)]) memory.Free(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.use().current_bytes, 0);
  EXPECT_GT(memory.use().peak_bytes, 0);
  memory.ReleaseCached();
  EXPECT_EQ(memory.use().held_bytes, 0);
}

// LibTorch's tensors. InitRuntime's effect is the process's: each test sets the limit it needs.
class TensorMemory : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = 0}).ok()); }
  void TearDown() override { SetUp(); }
};

TEST_F(TensorMemory, TensorsAreCountedExactlyWithTheirPeak) {
  const int64_t before = CurrentMemoryUse().current_bytes;
  ResetPeakMemoryUse();
  {
    const at::Tensor tensor = at::empty({1000, 1000});
    EXPECT_EQ(CurrentMemoryUse().current_bytes, before + 4000000);
    std::thread([&] { const at::Tensor other = at::empty({500, 500}); }).join();
    EXPECT_EQ(CurrentMemoryUse().peak_bytes, before + 5000000);
  }
  EXPECT_EQ(CurrentMemoryUse().current_bytes, before);
  ResetPeakMemoryUse();
  EXPECT_EQ(CurrentMemoryUse().peak_bytes, before);
}

TEST_F(TensorMemory, ATensorBeyondTheLimitIsResourceExhaustedAndTheNextSmallerOneWorks) {
  CpuTensorMemory().ReleaseCached();
  const int64_t held = CpuTensorMemory().use().held_bytes;
  ASSERT_TRUE(InitRuntime({.device = "cpu", .max_threads = 1, .memory_limit_bytes = held + 16 * kMiB}).ok());
  const Status refused = TorchGuard("advancing a block", [] { at::empty({17 * kMiB}, at::kByte); });
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("advancing a block: out of memory: a tensor of 17.0 MiB does not fit"),
            std::string::npos)
      << refused;
  EXPECT_EQ(refused.message().find('\n'), std::string::npos);
  EXPECT_TRUE(TorchGuard("advancing a block", [] { at::empty({16 * kMiB}, at::kByte); }).ok());
}

TEST_F(TensorMemory, ATensorMayOutliveEverythingAndDieAtExit) {
  EXPECT_EXIT(
      {
        static at::Tensor last = at::empty({3 * kMiB}, at::kByte);  // freed by a static destructor
        std::exit(last.defined() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lwq::qat
