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

// Of a worker that is started with none of them.
const std::string& PlainClass() {
  static const std::string plain = ClassWith({});
  return plain;
}

TEST(NumericsClassTest, AVariableThatChoosesNoKernelsMakesNoClassOfItsOwn) {
  EXPECT_EQ(ClassWith({"LWQ_SOME_OTHER_VARIABLE=1"}), PlainClass());
}

struct KernelVariable {
  const char* name;
  const char* value;
};

class KernelVariableTest : public ::testing::TestWithParam<KernelVariable> {};

TEST_P(KernelVariableTest, WorkersThatDifferInItAreToldApart) {
  EXPECT_NE(ClassWith({absl::StrCat(GetParam().name, "=", GetParam().value)}), PlainClass());
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelVariableTest,
                         ::testing::Values(KernelVariable{"ATEN_CPU_CAPABILITY", "default"},
                                           KernelVariable{"OPENBLAS_CORETYPE", "Nehalem"},
                                           KernelVariable{"MKL_CBWR", "COMPATIBLE"},
                                           KernelVariable{"DNNL_MAX_CPU_ISA", "SSE41"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace lwq::test
