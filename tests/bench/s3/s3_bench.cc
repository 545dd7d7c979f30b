// SPDX-License-Identifier: Apache-2.0
// Puts and gets COUNT objects of BYTES through an object store, THREADS at once, and prints the seconds of each as
// JSON.
//   lwq_bench_s3 URI BYTES COUNT THREADS
// scripts/s3_bench starts servers and sets boto3 beside it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>

#include "common/object_store/open_store.h"
#include "common/sync/parallel.h"

namespace lwq {
namespace {

double Seconds(const std::function<Status()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const Status status = work();
  LWQ_CHECK(status.ok(), MessageOf(status));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int Main(char** argv) {
  const std::string uri = argv[1];
  const size_t bytes = std::strtoull(argv[2], nullptr, 10);
  const int64_t count = std::atoll(argv[3]);
  const int threads = std::atoi(argv[4]);
  std::string text(bytes, '\0');
  std::mt19937_64 random(bytes);
  for (char& c : text) c = static_cast<char>(random());
  const auto data = std::as_bytes(std::span(text.data(), text.size()));
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(uri);
  LWQ_CHECK(store.ok(), MessageOf(store.status()));
  const double put = Seconds([&] {
    return ParallelFor(count, threads, [&](int64_t i) { return (*store)->Put(absl::StrCat("o", i), data, {}); });
  });
  const double get = Seconds([&] {
    return ParallelFor(count, threads, [&](int64_t i) -> Status {
      LWQ_ASSIGN_OR_RETURN(const Bytes read, (*store)->Get(absl::StrCat("o", i)));
      return read.size() == bytes ? absl::OkStatus() : absl::DataLossError("another size");
    });
  });
  std::printf("{\"put\": %.6f, \"get\": %.6f}\n", put, get);
  return 0;
}

}  // namespace
}  // namespace lwq

int main(int argc, char** argv) {
  if (argc == 5) return lwq::Main(argv);
  std::fprintf(stderr, "usage: lwq_bench_s3 URI BYTES COUNT THREADS\n");
  return 2;
}
