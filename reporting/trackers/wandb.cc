// SPDX-License-Identifier: Apache-2.0
#include "reporting/trackers/wandb.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/digest/digest.h"
#include "common/text/utf8.h"
#include "reporting/trackers/checksums.h"
#include "reporting/trackers/proto_wire.h"

namespace lwq::reporting {
namespace {

// Fields of <wandb/proto/wandb_internal.proto>.
constexpr int kRecordNum = 1;
constexpr int kRecordHistory = 2;
constexpr int kRecordSummary = 3;
constexpr int kRecordRun = 17;
constexpr int kRecordExit = 18;
constexpr int kRecordHeader = 21;
constexpr int kItemKey = 1;
constexpr int kItemValueJson = 16;
constexpr int kUpdate = 1;  // of history (there called item), summary and config
constexpr int kHistoryStep = 2;

constexpr char kMagic[] = {':', 'W', '&', 'B', '\xE1', '\xBE', '\0'};  // the last byte is the version
constexpr size_t kBlockBytes = 32 * 1024;
constexpr size_t kChunkHeaderBytes = 7;
enum ChunkType : char { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// A log in LevelDB's framing (<doc/log_format.md> there); blocks count from the start of the file.
class RecordLog {
 public:
  RecordLog() : file_(kMagic, sizeof(kMagic)) {}

  void Append(std::string_view record) {
    bool is_first = true;
    do {
      size_t room = kBlockBytes - file_.size() % kBlockBytes;
      if (room < kChunkHeaderBytes) {
        file_.append(room, '\0');
        room = kBlockBytes;
      }
      const std::string_view part = record.substr(0, room - kChunkHeaderBytes);
      record.remove_prefix(part.size());
      const bool is_last = record.empty();
      AppendChunk(is_first ? (is_last ? kFull : kFirst) : (is_last ? kLast : kMiddle), part);
      is_first = false;
    } while (!record.empty());
  }
  std::string Finish() { return std::move(file_); }

 private:
  void AppendChunk(ChunkType type, std::string_view part) {
    const uint32_t crc = Crc32(absl::StrCat(std::string(1, type), part));
    for (int i = 0; i < 4; ++i) file_.push_back(static_cast<char>(crc >> (8 * i)));
    for (int i = 0; i < 2; ++i) file_.push_back(static_cast<char>(part.size() >> (8 * i)));
    file_.push_back(type);
    file_ += part;
  }

  std::string file_;
};

class Records {
 public:
  void Append(int field, const ProtoWriter& message) {
    log_.Append(ProtoWriter().Integer(kRecordNum, ++count_).Bytes(field, message.bytes()).bytes());
  }
  // Without a number: what the file is.
  void AppendHeader(const ProtoWriter& message) {
    log_.Append(ProtoWriter().Bytes(kRecordHeader, message.bytes()).bytes());
  }
  std::string Finish() { return log_.Finish(); }

 private:
  int64_t count_ = 0;
  RecordLog log_;
};

// JSON as Python's json module reads and writes it.
std::string ValueJson(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
  return Json(value).dump();
}

std::string Item(const std::string& key, const std::string& value_json) {
  return ProtoWriter().Bytes(kItemKey, key).Bytes(kItemValueJson, value_json).bytes();
}

std::string RunIdOf(const TrackedRun& run) {
  return DigestOf(run.id).hex().substr(0, 12);
}

ProtoWriter RunRecord(const std::string& project, const TrackedRun& run) {
  ProtoWriter config;
  for (const auto& [name, value] : run.parameters) {
    config.Bytes(kUpdate, Item(name, value.dump(-1, ' ', true, Json::error_handler_t::replace)));
  }
  ProtoWriter start;
  start.Integer(1, run.start_unix_ms / 1000).Integer(2, run.start_unix_ms % 1000 * 1'000'000);
  ProtoWriter message;
  message.Bytes(1, RunIdOf(run)).Bytes(3, project).Bytes(4, config.bytes());
  if (!run.group.empty()) message.Bytes(6, run.group);
  message.Bytes(8, run.name).Bytes(17, start.bytes());
  return message;
}

void AppendHistory(const TrackedRun& run, Records* records) {
  std::map<int64_t, std::vector<std::pair<const TrackedSeries*, const TrackedPoint*>>> steps;
  for (const TrackedSeries& series : run.series) {
    for (const TrackedPoint& point : series.points) steps[point.step].emplace_back(&series, &point);
  }
  for (const auto& [step, points] : steps) {
    ProtoWriter history;
    int64_t unix_ms = run.start_unix_ms;
    for (const auto& [series, point] : points) {
      history.Bytes(kUpdate, Item(series->name, ValueJson(point->value)));
      unix_ms = std::max(unix_ms, point->unix_ms);
    }
    history.Bytes(kUpdate, Item("_step", absl::StrCat(step)));
    history.Bytes(kUpdate, Item("_timestamp", ValueJson(static_cast<double>(unix_ms) / 1000)));
    history.Bytes(kHistoryStep, ProtoWriter().Integer(1, step).bytes());
    records->Append(kRecordHistory, history);
  }
}

// The run's own numbers, and the last value of each series.
ProtoWriter SummaryRecord(const TrackedRun& run) {
  ProtoWriter summary;
  for (const TrackedSeries& series : run.series) {
    summary.Bytes(kUpdate, Item(series.name, ValueJson(series.points.back().value)));
  }
  for (const auto& [name, value] : run.summary) summary.Bytes(kUpdate, Item(name, ValueJson(value)));
  return summary;
}

// What is still running has no exit: the service shows it as such.
void AppendExit(const TrackedRun& run, Records* records) {
  if (!run.end_unix_ms.has_value()) return;
  ProtoWriter exit;
  exit.Integer(1, run.state == lwqat::v1::RUN_STATE_SUCCEEDED ? 0 : 1);
  exit.Integer(2, std::max<int64_t>(0, *run.end_unix_ms - run.start_unix_ms) / 1000);
  records->Append(kRecordExit, exit);
}

}  // namespace

TrackerFile WandbRun(const std::string& project, const TrackedRun& run) {
  const std::string id = RunIdOf(run);
  const std::string time =
      absl::FormatTime("%Y%m%d_%H%M%S", absl::FromUnixMillis(run.start_unix_ms), absl::UTCTimeZone());
  Records records;
  // The program that wrote it, and the least version that must read it.
  const std::string versions = ProtoWriter().Bytes(1, "0.31.0").Bytes(2, "0.9.0").bytes();
  records.AppendHeader(ProtoWriter().Bytes(1, versions));
  records.Append(kRecordRun, RunRecord(TrackedName(ReplaceAll(project, "/", "_")), run));
  AppendHistory(run, &records);
  records.Append(kRecordSummary, SummaryRecord(run));
  AppendExit(run, &records);
  return {.path = absl::StrCat("offline-run-", time, "-", id, "/run-", id, ".wandb"), .content = records.Finish()};
}

}  // namespace lwq::reporting
