// SPDX-License-Identifier: Apache-2.0
// A sweep with halving whose coordinator is killed: the same runs go on, and the tables are the same byte for byte.
//
// Method: with fresh stores each time, the coordinator is killed with SIGKILL when a seeded number of the sweep's tasks
// is done, and started again; what the sweep and its report say in the end is compared with an undisturbed one, but for
// ids and times. LWQ_HALVING_KILLS sets how many kills (default 4; scripts/check_halving has 20).
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "common/json/json.h"
#include "common/rpc/channel.h"
#include "gtest/gtest.h"
#include "lwqat/v1/sweep_service.grpc.pb.h"
#include "tests/integration/cluster.h"
#include "tests/integration/small_run.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;

int64_t KillsWanted() {
  const char* text = std::getenv("LWQ_HALVING_KILLS");
  return text == nullptr ? 4 : std::atoll(text);
}

// Six arms; rungs of 1, 2 and 4 blocks for 6, 3 and 1 of them.
std::string WriteHalvedSweep(const std::string& directory, const std::string& metric) {
  SmallRun small;
  small.epochs = 1;
  WriteSmallRun(directory, "base", small);
  const std::string path = absl::StrCat(directory, "/sweep-", metric, ".yaml");
  WriteFile(path, absl::StrCat("name: halved\nbase: run-base.yaml\n",
                               "axes: {grid: {quant_lr: [1e-5, 1e-3, 3e-2], wbits: [2, 3]}}\n",
                               "halving: {metric: ", metric, ", min_blocks: 1, eta: 2}\n"));
  return path;
}

Json Told(const std::vector<std::string>& command, const std::string& directory) {
  const Finished finished = RunToEnd(command, directory);
  LWQ_CHECK(finished.exit_code == 0, command[1], ": ", finished.err);
  StatusOr<Json> json = ParseJson(finished.out, command[1]);
  LWQ_CHECK(json.ok(), finished.out);
  return *std::move(json);
}

class HalvedCluster {
 public:
  explicit HalvedCluster(const std::string& directory) : cluster_(directory, {}) { cluster_.StartAll(); }

  // The tables of the sweep when it has ended. With `moment` tasks done the coordinator is killed and started again;
  // below 0 it is not.
  std::string Tables(const std::string& sweep_file, int64_t moment, int64_t* tasks) {
    const std::string id = Told({Binary("lwq"), "sweep", sweep_file, "--coordinator", cluster_.address(), "--json"},
                                cluster_.directory())["sweep_id"];
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(2 * kDeadlineSeconds);
    bool killed = moment < 0;
    while (true) {
      const pb::Sweep sweep = Get(id);
      if (!killed && sweep.tasks_done() >= moment) {
        killed = true;
        cluster_.KillCoordinator();
        cluster_.StartCoordinator();
        continue;
      }
      const bool goes_on = std::any_of(sweep.members().begin(), sweep.members().end(), [](const auto& member) {
        return member.state() == pb::RUN_STATE_PENDING || member.state() == pb::RUN_STATE_RUNNING;
      });
      if (!goes_on) {
        if (tasks != nullptr) *tasks = sweep.tasks_done();
        break;
      }
      LWQ_CHECK(std::chrono::steady_clock::now() < end, "the sweep did not end:\n", sweep.DebugString(), "\n",
                cluster_.Logs());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(killed);
    return absl::StrCat(SweepTable(id), "\n", ReportTable(id));
  }

 private:
  pb::Sweep Get(const std::string& id) {
    const auto stub =
        pb::SweepService::NewStub(OpenChannel(cluster_.address(), {.initial_backoff_ms = 50, .max_backoff_ms = 200}));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    context.set_wait_for_ready(true);
    pb::GetSweepRequest request;
    request.set_sweep_id(id);
    pb::GetSweepResponse response;
    const grpc::Status status = stub->GetSweep(&context, request, &response);
    LWQ_CHECK(status.ok(), status.error_message());
    return response.sweep();
  }

  std::string SweepTable(const std::string& id) {
    Json table =
        Told({Binary("lwq"), "sweeps", id, "--coordinator", cluster_.address(), "--json"}, cluster_.directory());
    for (const char* key : {"id", "submitted_unix_s"}) table.erase(key);
    for (Json& run : table["runs"]) run.erase("run_id");
    return table.dump(1);
  }

  std::string ReportTable(const std::string& id) {
    Json table = Told({Binary("lwq"), "report", "--sweep", id, "--coordinator", cluster_.address(), "--json"},
                      cluster_.directory());
    for (Json& row : table["rows"]) {
      for (const char* key : {"run_id", "seconds"}) row.erase(key);
    }
    return table.dump(1);
  }

  Cluster cluster_;
};

class HalvingKillTest : public ::testing::TestWithParam<const char*> {};

TEST_P(HalvingKillTest, AKilledCoordinatorPromotesTheSameRunsAndItsTablesAreTheSame) {
  TemporaryDirectory directory;
  const std::string sweep_file = WriteHalvedSweep(directory.path(), GetParam());
  const auto fresh = [&](const std::string& name) {
    const std::string home = directory.path() + "/" + name;
    std::filesystem::create_directories(home);
    return home;
  };
  int64_t tasks = 0;
  const std::string reference = HalvedCluster(fresh("reference")).Tables(sweep_file, -1, &tasks);
  ASSERT_NE(reference.find("\"succeeded\""), std::string::npos) << reference;
  ASSERT_NE(reference.find("\"stopped\""), std::string::npos) << reference;
  ASSERT_GT(tasks, 10);
  // Half of the kills by either metric.
  for (int64_t seed = 0; seed < (KillsWanted() + 1) / 2; ++seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    const auto moment = static_cast<int64_t>(random() % static_cast<uint32_t>(tasks));
    SCOPED_TRACE(absl::StrCat("seed ", seed, ": killed with ", moment, " of ", tasks, " tasks done"));
    const std::string home = fresh(absl::StrCat("seed-", seed));
    EXPECT_EQ(HalvedCluster(home).Tables(sweep_file, moment, nullptr), reference);
    std::filesystem::remove_all(home);
  }
}

INSTANTIATE_TEST_SUITE_P(ByEachMetric, HalvingKillTest, ::testing::Values("block_loss", "perplexity"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace lwq::test
