// SPDX-License-Identifier: Apache-2.0
// Workers of one machine that differ in a variable of the environment alone: are they one class?
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/integration/cluster.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

// The class that a worker announces which was started with these variables.
std::string ClassWith(const std::vector<std::string>& environment) {
  const TemporaryDirectory directory;
  const std::string run_file = directory.path() + "/run.yaml";
  WriteFile(run_file, "method: noop\ntrain_size: 1\n");
  Cluster cluster(directory.path(), {.workers = 1, .worker_environment = environment});
  cluster.StartAll();
  cluster.Finish(cluster.Submit(run_file));  // so it has registered
  grpc::ClientContext context;
  pb::ListWorkersResponse workers;
  const grpc::Status status = cluster.stub().ListWorkers(&context, {}, &workers);
  LWQ_CHECK(status.ok() && workers.workers_size() == 1, status.error_message());
  return workers.workers(0).numerics_class();
}

TEST(NumericsClassTest, WorkersThatDifferInAVariableThatChoosesKernelsAreToldApart) {
  const std::string plain = ClassWith({});
  EXPECT_EQ(ClassWith({"LWQ_SOME_OTHER_VARIABLE=1"}), plain);
  for (const char* variable : {"ATEN_CPU_CAPABILITY=default", "MKL_CBWR=COMPATIBLE", "DNNL_MAX_CPU_ISA=SSE41"}) {
    EXPECT_NE(ClassWith({variable}), plain) << variable;
  }
  // A variable of OpenBLAS's says nothing where LibTorch has MKL inside.
  const bool multiplies_with_openblas = plain.find("openblas-") != std::string::npos;
  EXPECT_EQ(ClassWith({"OPENBLAS_CORETYPE=Nehalem"}) != plain, multiplies_with_openblas) << plain;
}

}  // namespace
}  // namespace lwq::test
