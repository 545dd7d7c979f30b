// SPDX-License-Identifier: Apache-2.0
// Files for TensorBoard, MLflow and W&B. scripts/check_trackers reads the same kind with those programs.
#include <cmath>
#include <limits>
#include <set>

#include "common/digest/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/trackers/checksums.h"
#include "reporting/trackers/mlflow.h"
#include "reporting/trackers/proto_wire.h"
#include "reporting/trackers/tensorboard.h"
#include "reporting/trackers/tracked_run.h"
#include "reporting/trackers/wandb.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::reporting {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

uint64_t LittleEndianAt(const std::string& bytes, size_t offset, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i);
  return value;
}

TrackedRun SmallTrackedRun() {
  TrackedRun run;
  run.id = "3f2a9c1e7b04";
  run.name = "w2 \"é\"\n/x";
  run.group = "aaaabbbbcccc";
  run.state = lwqat::v1::RUN_STATE_SUCCEEDED;
  run.start_unix_ms = 1'764'500'000'250;
  run.end_unix_ms = 1'764'500'100'000;
  run.parameters = {{"wbits", 2}, {"method", "block_ap"}};
  run.series = {
      {.name = "train_loss/block_000", .points = {{32, 0.5, 1'764'500'001'000}, {64, 0.25, 1'764'500'002'000}}},
      {.name = "val_loss/block_000", .points = {{0, 1, 1'764'500'000'500}, {64, 0.75, 1'764'500'002'000}}}};
  run.summary = {{"eval/perplexity/held-out", 12.5}, {"run/tasks", std::numeric_limits<double>::infinity()}};
  return run;
}

// The data of each TFRecord frame, whose checksums are looked at.
std::vector<std::string> Frames(const std::string& file) {
  std::vector<std::string> frames;
  for (size_t at = 0; at < file.size();) {
    const size_t length = LittleEndianAt(file, at, 8);
    EXPECT_EQ(LittleEndianAt(file, at + 8, 4), MaskedCrc32c(file.substr(at, 8)));
    frames.push_back(file.substr(at + 12, length));
    EXPECT_EQ(LittleEndianAt(file, at + 12 + length, 4), MaskedCrc32c(frames.back()));
    at += 16 + length;
  }
  return frames;
}

// The records of a W&B file, put together of their chunks, whose checksums and places are looked at.
std::vector<std::string> WandbRecords(const std::string& file) {
  EXPECT_EQ(file.substr(0, 7), std::string(":W&B\xE1\xBE\0", 7));
  std::vector<std::string> records;
  std::string record;
  for (size_t at = 7; at < file.size();) {
    const size_t room = 32768 - at % 32768;
    if (room < 7) {
      EXPECT_EQ(file.substr(at, room), std::string(std::min(room, file.size() - at), '\0'));
      at += room;
      continue;
    }
    const size_t length = LittleEndianAt(file, at + 4, 2);
    EXPECT_LE(7 + length, room) << "a chunk never crosses a block";
    EXPECT_EQ(LittleEndianAt(file, at, 4), Crc32(file.substr(at + 6, 1 + length)));
    const int type = file[at + 6];
    EXPECT_EQ(type == 1 || type == 2, record.empty());
    record += file.substr(at + 7, length);
    if (type == 1 || type == 4) records.push_back(std::exchange(record, ""));
    at += 7 + length;
  }
  EXPECT_EQ(record, "") << "the last record is whole";
  return records;
}

TEST(TrackersTest, ChecksumsAreThoseOfTheirStandards) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);
}

TEST(TrackersTest, MessagesAreInProtobufsWireFormat) {
  const std::string bytes = ProtoWriter().Integer(1, 150).Bytes(2, "ab").Float(3, 1).Double(16, 2).bytes();
  EXPECT_EQ(bytes, std::string("\x08\x96\x01\x12\x02"
                               "ab\x1D\0\0\x80\x3F\x81\x01\0\0\0\0\0\0\0\x40",
                               22));
}

TEST(TrackersTest, TheFilesOfARunAreTheBytesThatTheRealReadersTook) {
  const TrackedRun run = SmallTrackedRun();
  const TrackerFile board = TensorBoardEvents(run);
  EXPECT_EQ(board.path, "w2_______x-04fecc7d/events.out.tfevents.1764500000.lwq");
  EXPECT_EQ(DigestOf(board.content).short_hex(), "2e919a83b515");
  const TrackerFile wandb = WandbRun("my/project", run);
  EXPECT_EQ(wandb.path, "offline-run-20251130_105320-04fecc7de184/run-04fecc7de184.wandb");
  EXPECT_EQ(DigestOf(wandb.content).short_hex(), "11c9b03a5782");
  std::string store;
  for (const TrackerFile& file : MlflowStore("exp", {run}))
    absl::StrAppend(&store, file.path, "\n", file.content, "\n");
  EXPECT_EQ(DigestOf(store).short_hex(), "4b4656e1ac5c");
}

TEST(TrackersTest, StepsOfAnEventFileOnlyRise) {
  const std::vector<std::string> frames = Frames(TensorBoardEvents(SmallTrackedRun()).content);
  ASSERT_EQ(frames.size(), 1u + 2 + 4);
  EXPECT_THAT(frames[0], HasSubstr("brain.Event:2"));
  int64_t last = 0;
  for (size_t i = 1; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i][9], 0x10) << "the step follows the time";
    const int64_t step = frames[i][10];  // below 128: one byte
    EXPECT_GE(step, last);
    last = step;
  }
  EXPECT_EQ(last, 64);
}

TEST(TrackersTest, RecordsOfAnOfflineRunCrossBlocksInChunks) {
  TrackedRun run = SmallTrackedRun();
  for (const size_t length : {0, 1, 32'700, 32'735, 70'000}) {
    run.parameters["long"] = std::string(length, 'x');
    const std::vector<std::string> records = WandbRecords(WandbRun("p", run).content);
    ASSERT_EQ(records.size(), 1u + 1 + 3 + 1 + 1) << "header, run, three steps, summary, exit";
    EXPECT_THAT(records[1], HasSubstr("\"" + std::string(length, 'x') + "\""));
    EXPECT_THAT(records[5], HasSubstr("eval/perplexity/held-out"));
    EXPECT_THAT(records[5], HasSubstr("Infinity"));
  }
}

TEST(TrackersTest, AStoreOfMlflowHasNamesThatAreSafeAsFilesAndQuotedInYaml) {
  const std::vector<TrackerFile> files = MlflowStore("é: \"x\"", {SmallTrackedRun()});
  std::set<std::string> paths;
  for (const TrackerFile& file : files) {
    EXPECT_TRUE(paths.insert(file.path).second) << file.path;
    EXPECT_TRUE(file.path.starts_with("mlruns/")) << file.path;
    EXPECT_EQ(file.path.find("/."), std::string::npos) << file.path;
  }
  EXPECT_THAT(files[1].content, HasSubstr("name: \"\\U000000E9: \\\"x\\\"\"\n"));
  EXPECT_THAT(files.back().path, testing::EndsWith("/meta.yaml")) << "a run is known once the rest is there";
  EXPECT_THAT(files.back().content, HasSubstr("status: 3\n"));
}

TEST(TrackersTest, ARunBecomesSeriesByStepAndByBlockAndNumbersOfTheWhole) {
  lwqat::v1::Run run = test::FinishedRun();
  auto* block = run.mutable_plan()->add_blocks();
  block->set_bit_width(2);
  run.mutable_tasks(1)->mutable_started_at()->set_seconds(1010);
  run.mutable_tasks(1)->set_metrics_json(
      R"({"best_val_loss": 0.25, "epochs": [{"step": 32, "train_loss": 0.5, "val_loss": 0.375, "seconds": 1.5},
          {"step": 64, "train_loss": null, "val_loss": 0.25, "seconds": 1}, {"step": -1}, 7]})");
  test::AddMeasured("fp", "perplexity", 2, 50'000, &run);
  const TrackedRun tracked = TrackRun({.run = run, .labels = {{"w/bits", "2"}}});
  std::map<std::string, std::vector<std::pair<int64_t, double>>> series;
  for (const TrackedSeries& one : tracked.series) {
    for (const TrackedPoint& point : one.points) series[one.name].emplace_back(point.step, point.value);
  }
  EXPECT_THAT(series["train_loss/block_000"], ElementsAre(Pair(32, 0.5)));
  EXPECT_THAT(series["val_loss/block_000"], ElementsAre(Pair(32, 0.375), Pair(64, 0.25)));
  EXPECT_THAT(series["blocks/bits"], ElementsAre(Pair(0, 2)));
  EXPECT_THAT(series["blocks/best_val_loss"], ElementsAre(Pair(0, 0.25)));
  EXPECT_EQ(tracked.summary.at("eval/perplexity/held-out"), 2.34567);
  EXPECT_EQ(tracked.summary.at("eval_fp/perplexity/held-out"), 2);
  EXPECT_EQ(tracked.summary.at("run/wall_seconds"), 65);
  EXPECT_EQ(tracked.parameters.at("label.w/bits"), "2");
  EXPECT_EQ(*tracked.end_unix_ms, 1'065'000);
}

TEST(TrackersTest, ASeriesKeepsItsLastPointAndNoMoreThanItMay) {
  lwqat::v1::Run run = test::FinishedRun();
  lwqat::v1::Task& scales = *run.add_tasks() = test::MakeTask("train_scales", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
  scales.set_metrics_json(Json{{"first_step", 5}, {"train_losses", std::vector<double>(25'001, 1.5)}}.dump());
  const TrackedRun tracked = TrackRun({.run = run, .labels = {}});
  ASSERT_EQ(tracked.series.size(), 1u);
  EXPECT_LE(tracked.series[0].points.size(), kMostTrackedPoints);
  EXPECT_GE(tracked.series[0].points.size(), kMostTrackedPoints / 2);
  EXPECT_EQ(tracked.series[0].points.back().step, 25'005);
}

TEST(TrackersTest, HostileNamesStayBelowTheFolder) {
  EXPECT_EQ(TrackedName("../a/.b\n c"), "_./a/_b__c");
  EXPECT_EQ(TrackedName(""), "_");
  EXPECT_EQ(TrackedName(std::string(5000, 'x')).size(), 200u);
  TrackedRun run = SmallTrackedRun();
  run.name = "../../etc";
  EXPECT_TRUE(TensorBoardEvents(run).path.starts_with("_._.._etc-")) << TensorBoardEvents(run).path;
}

}  // namespace
}  // namespace lwq::reporting
