// SPDX-License-Identifier: Apache-2.0
// Object store, artifacts, sample sets and the worker's cache in GB/s, against plain file calls that move the same
// bytes.
//
// What is measured and what it is compared with take turns in one loop on one disk; the least of several timings of
// each is told, because others only ever add time. "cold" means that the file's pages were dropped from the page cache
// first. The folder is LWQ_BENCH_FOLDER, or the system's folder for temporary files.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/samples.h"
#include "common/digest/digest.h"
#include "common/file/posix_file.h"
#include "common/object_store/file_store.h"
#include "tests/testing/fault_store.h"
#include "worker/io/blob_cache.h"

namespace lwq {
namespace {

namespace fs = std::filesystem;

constexpr double kGiga = 1e9;

void Must(const Status& status) {
  LWQ_CHECK(status.ok(), MessageOf(status));
}
template <typename T>
T Must(StatusOr<T> value) {
  LWQ_CHECK(value.ok(), MessageOf(value.status()));
  return *std::move(value);
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// A new folder on the disk that is measured, removed at the end.
class Folder {
 public:
  Folder() {
    const char* wanted = std::getenv("LWQ_BENCH_FOLDER");
    std::string name = (wanted != nullptr ? fs::path(wanted) : fs::temp_directory_path()) / "lwq-bench-XXXXXX";
    LWQ_CHECK(::mkdtemp(name.data()) != nullptr, "no folder ", name);
    path_ = name;
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Bytes without a pattern; `salt` makes contents differ.
std::string RandomBytes(size_t size, uint64_t salt) {
  std::string text(size, '\0');
  std::mt19937_64 random(salt);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(text.data() + i, &word, sizeof(word));
  }
  return text;
}

double Seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Reads every byte, as a consumer would.
uint64_t Sum(std::span<const std::byte> data) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= data.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + i, sizeof(word));
    sum += word;
  }
  benchmark::DoNotOptimize(sum);
  return sum;
}

// Alternates `ours` and `plain`, both moving `bytes`, with an untimed `before` each.
void Compare(
    benchmark::State& state, double bytes, const std::function<void()>& ours, const std::function<void()>& plain,
    const std::function<void()>& before = [] {}) {
  double ours_best = 1e300;
  double plain_best = 1e300;
  for (auto _ : state) {
    before();
    const double seconds = Seconds(ours);
    before();
    plain_best = std::min(plain_best, Seconds(plain));
    ours_best = std::min(ours_best, seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["GB_per_s"] = bytes / ours_best / kGiga;
  state.counters["plain_GB_per_s"] = bytes / plain_best / kGiga;
  state.counters["of_plain"] = plain_best / ours_best;
}

void PlainWrite(const std::string& path, std::string_view data, bool sync) {
  const UniqueFd fd = Must(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  Must(WriteAt(fd.get(), 0, AsBytes(data), path));
  if (sync) LWQ_CHECK(::fsync(fd.get()) == 0);
}

void PlainRead(const std::string& path, std::string& buffer) {
  const UniqueFd fd = Must(OpenFile(path, O_RDONLY));
  Must(ReadAt(fd.get(), 0, std::as_writable_bytes(std::span(buffer.data(), buffer.size())), path));
}

// Drops the pages of every file below `folder` from the page cache; they must have been synced.
void DropPages(const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const UniqueFd fd = Must(OpenFile(entry.path().string(), O_RDONLY));
    ::fdatasync(fd.get());
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

// Objects of range(0) MiB, 128 MiB in all.
constexpr int64_t kTotalBytes = 128 << 20;

void BM_StoreWrite(benchmark::State& state, bool sync) {
  const Folder folder;
  const size_t object_bytes = static_cast<size_t>(state.range(0)) << 20;
  const int objects = static_cast<int>(kTotalBytes / static_cast<int64_t>(object_bytes));
  const std::string data = RandomBytes(object_bytes, 1);
  const auto store = Must(OpenFileStore(folder.path() + "/store", {.sync = sync}));
  fs::create_directory(folder.path() + "/plain");
  int round = 0;
  Compare(
      state, static_cast<double>(kTotalBytes),
      [&] {
        for (int i = 0; i < objects; ++i) {
          Must(store->Put(absl::StrCat("r", round, "/", i), AsBytes(data), {.if_absent = true}));
        }
      },
      [&] {
        for (int i = 0; i < objects; ++i) PlainWrite(absl::StrCat(folder.path(), "/plain/", i), data, sync);
      },
      [&] {
        fs::remove_all(absl::StrCat(folder.path(), "/store/r", round, "+"));
        fs::remove_all(folder.path() + "/plain");
        fs::create_directory(folder.path() + "/plain");
        ++round;
      });
}

void BM_StoreRead(benchmark::State& state, bool is_cold) {
  const Folder folder;
  const size_t object_bytes = static_cast<size_t>(state.range(0)) << 20;
  const int objects = static_cast<int>(kTotalBytes / static_cast<int64_t>(object_bytes));
  const std::string data = RandomBytes(object_bytes, 1);
  const auto store = Must(OpenFileStore(folder.path() + "/store", {.sync = false}));
  fs::create_directory(folder.path() + "/plain");
  for (int i = 0; i < objects; ++i) {
    Must(store->Put(absl::StrCat("o/", i), AsBytes(data), {}));
    PlainWrite(absl::StrCat(folder.path(), "/plain/", i), data, false);
  }
  std::string buffer(object_bytes, '\0');
  Compare(
      state, static_cast<double>(kTotalBytes),
      [&] {
        for (int i = 0; i < objects; ++i) Sum(Must(store->Get(absl::StrCat("o/", i))).span());
      },
      [&] {
        for (int i = 0; i < objects; ++i) {
          PlainRead(absl::StrCat(folder.path(), "/plain/", i), buffer);
          Sum(AsBytes(buffer));
        }
      },
      [&] {
        if (is_cold) DropPages(folder.path());
      });
}

// The ceiling of everything that verifies.
void BM_Sha256(benchmark::State& state) {
  const std::string data = RandomBytes(16 << 20, 1);
  double best = 1e300;
  for (auto _ : state) {
    const double seconds = Seconds([&] { benchmark::DoNotOptimize(DigestOf(data)); });
    best = std::min(best, seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["GB_per_s"] = static_cast<double>(data.size()) / best / kGiga;
}

// A file as an artifact: hashed, written, synced and published in pieces; against write and fsync of the file.
void BM_ArtifactPublish(benchmark::State& state) {
  const Folder folder;
  const std::string data = RandomBytes(static_cast<size_t>(kTotalBytes), 1);
  const Bytes bytes = Bytes::FromString(data);
  const auto store = Must(OpenFileStore(folder.path() + "/store", {}));
  ArtifactStore artifacts(store.get());
  Compare(
      state, static_cast<double>(kTotalBytes),
      [&] {
        Must(UploadContents(artifacts, {{"file", bytes}}));
      },
      [&] { PlainWrite(folder.path() + "/plain", data, true); },
      [&] {
        fs::remove_all(folder.path() + "/store/blobs+");
        fs::remove(folder.path() + "/plain");
      });
}

// The same artifact read and verified (in place); against reading the file without looking at it.
void BM_ArtifactFetch(benchmark::State& state) {
  const Folder folder;
  const std::string data = RandomBytes(static_cast<size_t>(kTotalBytes), 1);
  const auto store = Must(OpenFileStore(folder.path() + "/store", {.sync = false}));
  ArtifactStore artifacts(store.get());
  const ArtifactRef artifact = Must(UploadContents(artifacts, {{"file", Bytes::FromString(data)}}));
  PlainWrite(folder.path() + "/plain", data, false);
  std::string buffer(data.size(), '\0');
  Compare(
      state, static_cast<double>(kTotalBytes),
      [&] {
        const FileTree tree = Must(FileTree::Open(&artifacts, artifact));
        for (int64_t offset = 0; offset < kTotalBytes; offset += kPieceBytes) {
          Must(tree.Read("file", offset, kPieceBytes));
        }
      },
      [&] { PlainRead(folder.path() + "/plain", buffer); });
}

// Activations [512 samples, 256, 512] of bf16 in micro-batches of 2.
struct SampleBench {
  static constexpr int64_t kSamples = 512;
  static constexpr int64_t kBatch = 2;
  SampleBench() : store(Must(OpenFileStore(folder.path() + "/store", {}))), artifacts(store.get()) {
    const int64_t sample_bytes = 256 * 512 * 2;
    batch = {DType::kBF16,
             {kBatch, 256, 512},
             Bytes::FromString(RandomBytes(static_cast<size_t>(kBatch * sample_bytes), 1))};
    chunk_samples = ChunkSamples(sample_bytes, kBatch);
    total_bytes = static_cast<double>(kSamples * sample_bytes);
  }
  // Every batch gets bytes of its own, so that no two chunks are one blob.
  ArtifactRef Write() {
    SampleSetWriter writer(&artifacts, DType::kBF16, {256, 512}, chunk_samples);
    std::string bytes(batch.bytes.view());
    for (int64_t first = 0; first < kSamples; first += kBatch) {
      std::memcpy(bytes.data(), &first, sizeof(first));
      Must(writer.Append({batch.dtype, batch.shape, Bytes::FromString(bytes)}));
    }
    return Must(writer.Finish());
  }
  static void Read(BlobSource& blobs, const ArtifactRef& artifact) {
    const auto reader = Must(SampleSetReader::Open(&blobs, artifact));
    for (int64_t first = 0; first < kSamples; first += kBatch) Sum(Must(reader->Read(first, kBatch)).bytes.span());
  }
  Folder folder;
  std::unique_ptr<ObjectStore> store;
  ArtifactStore artifacts;
  HostTensor batch;
  int64_t chunk_samples = 1;
  double total_bytes = 0;
};

void BM_SamplesWrite(benchmark::State& state) {
  SampleBench bench;
  const std::string data = RandomBytes(static_cast<size_t>(bench.total_bytes), 2);
  Compare(
      state, bench.total_bytes, [&] { bench.Write(); }, [&] { PlainWrite(bench.folder.path() + "/plain", data, true); },
      [&] {
        fs::remove_all(bench.folder.path() + "/store/blobs+");
        fs::remove(bench.folder.path() + "/plain");
      });
}

void PlainReadChunks(const std::string& path, double total_bytes, std::string& buffer) {
  const UniqueFd fd = Must(OpenFile(path, O_RDONLY));
  for (int64_t offset = 0; offset + static_cast<int64_t>(buffer.size()) <= static_cast<int64_t>(total_bytes);
       offset += static_cast<int64_t>(buffer.size())) {
    Must(ReadAt(fd.get(), offset, std::as_writable_bytes(std::span(buffer.data(), buffer.size())), path));
    Sum(AsBytes(buffer));
  }
}

enum class Way { kVerifiedEachTime, kCacheInPlace, kCacheOfCopiesFirst, kCacheOfCopiesAgain };

// One pass over the samples, by way of the store itself or of a worker's cache.
void BM_SamplesRead(benchmark::State& state, Way way) {
  SampleBench bench;
  const ArtifactRef artifact = bench.Write();
  PlainWrite(bench.folder.path() + "/plain", RandomBytes(static_cast<size_t>(bench.total_bytes), 2), false);
  std::string buffer(1 << 20, '\0');
  test::FaultStore remote(Must(OpenFileStore(bench.folder.path() + "/store", {})), {});
  ArtifactStore remote_artifacts(&remote);
  const bool is_copying = way == Way::kCacheOfCopiesFirst || way == Way::kCacheOfCopiesAgain;
  const auto open_cache = [&] {
    fs::remove_all(bench.folder.path() + "/cache");
    return Must(
        BlobCache::Open(is_copying ? &remote_artifacts : &bench.artifacts, {bench.folder.path() + "/cache", 1 << 30}));
  };
  std::unique_ptr<BlobCache> cache = open_cache();
  BlobSource* source = cache.get();
  if (way == Way::kVerifiedEachTime) source = &bench.artifacts;
  SampleBench::Read(*source, artifact);
  Compare(
      state, bench.total_bytes, [&] { SampleBench::Read(*source, artifact); },
      [&] { PlainReadChunks(bench.folder.path() + "/plain", bench.total_bytes, buffer); },
      [&] {
        if (way != Way::kCacheOfCopiesFirst) return;
        cache.reset();
        cache = open_cache();
        source = cache.get();
      });
}

// Blobs of range(0) MiB through a worker's cache, all in the page cache; `plain` reads the same bytes from files. What
// verification costs is the difference between kUnverified and the others.
enum class Blobs { kUnverified, kVerifiedEachTime, kFirstInPlace, kAgainInPlace, kAgainCopied };

void BM_BlobRead(benchmark::State& state, Blobs way) {
  const Folder folder;
  const size_t blob_bytes = static_cast<size_t>(state.range(0)) << 20;
  const int count = static_cast<int>(kTotalBytes / static_cast<int64_t>(blob_bytes));
  const auto store = Must(OpenFileStore(folder.path() + "/store", {.sync = false}));
  ArtifactStore artifacts(store.get());
  test::FaultStore remote(Must(OpenFileStore(folder.path() + "/store", {.sync = false})), {});
  ArtifactStore remote_artifacts(&remote);
  fs::create_directory(folder.path() + "/plain");
  std::vector<BlobRef> blobs;
  for (int i = 0; i < count; ++i) {
    const std::string data = RandomBytes(blob_bytes, static_cast<uint64_t>(i));
    blobs.push_back(Must(artifacts.PutBlob(data)));
    PlainWrite(absl::StrCat(folder.path(), "/plain/", i), data, false);
  }
  std::unique_ptr<BlobCache> cache;
  const auto open_cache = [&] {
    cache.reset();
    cache = Must(BlobCache::Open(way == Blobs::kAgainCopied ? &remote_artifacts : &artifacts,
                                 {folder.path() + "/cache", 1 << 30}));
  };
  const auto read = [&](const BlobRef& blob) {
    if (way == Blobs::kUnverified) return Must(store->Get(BlobKey(blob.digest)));
    return Must(way == Blobs::kVerifiedEachTime ? artifacts.Fetch(blob) : cache->Fetch(blob));
  };
  open_cache();
  for (const BlobRef& blob : blobs) read(blob);
  std::string buffer(blob_bytes, '\0');
  Compare(
      state, static_cast<double>(kTotalBytes),
      [&] {
        for (const BlobRef& blob : blobs) Sum(read(blob).span());
      },
      [&] {
        for (int i = 0; i < count; ++i) {
          PlainRead(absl::StrCat(folder.path(), "/plain/", i), buffer);
          Sum(AsBytes(buffer));
        }
      },
      [&] {
        if (way == Blobs::kFirstInPlace) open_cache();
      });
}

void Few(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(7)->UseManualTime()->Unit(benchmark::kMillisecond);
}

// For what takes tens of milliseconds: enough turns to meet a quiet moment.
void Many(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(25)->UseManualTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(BM_StoreWrite, fsync, true)->Arg(1)->Arg(8)->Arg(64)->Apply(Few);
BENCHMARK_CAPTURE(BM_StoreWrite, no_fsync, false)->Arg(8)->Apply(Few);
BENCHMARK_CAPTURE(BM_StoreRead, warm, false)->Arg(1)->Arg(8)->Arg(64)->Apply(Many);
BENCHMARK_CAPTURE(BM_StoreRead, cold, true)->Arg(1)->Arg(8)->Arg(64)->Apply(Few);
BENCHMARK(BM_Sha256)->Apply(Many);
BENCHMARK_CAPTURE(BM_BlobRead, unverified, Blobs::kUnverified)->Arg(1)->Arg(8)->Apply(Many);
BENCHMARK_CAPTURE(BM_BlobRead, verified_each_time, Blobs::kVerifiedEachTime)->Arg(1)->Arg(8)->Apply(Many);
BENCHMARK_CAPTURE(BM_BlobRead, cache_in_place_first, Blobs::kFirstInPlace)->Arg(1)->Arg(8)->Apply(Many);
BENCHMARK_CAPTURE(BM_BlobRead, cache_in_place_again, Blobs::kAgainInPlace)->Arg(1)->Arg(8)->Apply(Many);
BENCHMARK_CAPTURE(BM_BlobRead, cache_of_copies_again, Blobs::kAgainCopied)->Arg(1)->Arg(8)->Apply(Many);
BENCHMARK(BM_ArtifactPublish)->Apply(Few);
BENCHMARK(BM_ArtifactFetch)->Apply(Many);
BENCHMARK(BM_SamplesWrite)->Apply(Few);
BENCHMARK_CAPTURE(BM_SamplesRead, verified_each_time, Way::kVerifiedEachTime)->Apply(Many);
BENCHMARK_CAPTURE(BM_SamplesRead, cache_in_place, Way::kCacheInPlace)->Apply(Many);
BENCHMARK_CAPTURE(BM_SamplesRead, cache_of_copies_first, Way::kCacheOfCopiesFirst)->Apply(Few);
BENCHMARK_CAPTURE(BM_SamplesRead, cache_of_copies_again, Way::kCacheOfCopiesAgain)->Apply(Many);

}  // namespace
}  // namespace lwq

BENCHMARK_MAIN();
