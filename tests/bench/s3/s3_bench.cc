// SPDX-License-Identifier: Apache-2.0
// Puts COUNT objects of BYTES into an object store, or gets those that were put, THREADS at once, and prints the
// seconds by the clock and on the CPU as JSON.
//   lwq_bench_s3 put|get URI BYTES COUNT THREADS
// scripts/s3_bench starts servers and sets boto3 beside it.
#include <sys/resource.h>

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

double CpuSeconds() {
  struct rusage used {};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void Measure(const std::function<Status()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = CpuSeconds();
  const Status status = work();
  LWQ_CHECK(status.ok(), MessageOf(status));
  std::printf("{\"wall\": %.6f, \"cpu\": %.6f}\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
              CpuSeconds() - cpu_begin);
}

int Main(char** argv) {
  const std::string way = argv[1];
  const std::string uri = argv[2];
  const size_t bytes = std::strtoull(argv[3], nullptr, 10);
  const int64_t count = std::atoll(argv[4]);
  const int threads = std::atoi(argv[5]);
  std::string text(bytes, '\0');
  std::mt19937_64 random(bytes);
  for (char& c : text) c = static_cast<char>(random());
  const auto data = std::as_bytes(std::span(text.data(), text.size()));
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(uri);
  LWQ_CHECK(store.ok(), MessageOf(store.status()));
  const auto put = [&](int64_t i) { return (*store)->Put(absl::StrCat("o", i), data, {}); };
  const auto get = [&](int64_t i) -> Status {
    LWQ_ASSIGN_OR_RETURN(const Bytes read, (*store)->Get(absl::StrCat("o", i)));
    return read.size() == bytes ? absl::OkStatus() : absl::DataLossError("another size");
  };
  Measure([&] { return way == "put" ? ParallelFor(count, threads, put) : ParallelFor(count, threads, get); });
  return 0;
}

}  // namespace
}  // namespace lwq

int main(int argc, char** argv) {
  if (argc == 6) return lwq::Main(argv);
  std::fprintf(stderr, "usage: lwq_bench_s3 put|get URI BYTES COUNT THREADS\n");
  return 2;
}
