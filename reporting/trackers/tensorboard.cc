// SPDX-License-Identifier: Apache-2.0
#include "reporting/trackers/tensorboard.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_format.h"
#include "reporting/trackers/checksums.h"
#include "reporting/trackers/proto_wire.h"

namespace lwq::reporting {
namespace {

// Fields of <tensorflow/core/util/event.proto> and <tensorflow/core/framework/summary.proto>.
constexpr int kEventWallTime = 1;
constexpr int kEventStep = 2;
constexpr int kEventFileVersion = 3;
constexpr int kEventSummary = 5;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1;
constexpr int kValueSimpleValue = 2;

template <typename Unsigned>
std::string LittleEndian(Unsigned value) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(value); ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

void AppendFrame(const std::string& data, std::string* file) {
  const std::string length = LittleEndian(static_cast<uint64_t>(data.size()));
  absl::StrAppend(file, length, LittleEndian(MaskedCrc32c(length)), data, LittleEndian(MaskedCrc32c(data)));
}

ProtoWriter EventAt(int64_t unix_ms) {
  ProtoWriter event;
  event.Double(kEventWallTime, static_cast<double>(unix_ms) / 1000);
  return event;
}

struct Scalar {
  const std::string* tag = nullptr;
  TrackedPoint point = {};
};

void AppendScalar(const Scalar& scalar, std::string* file) {
  ProtoWriter value;
  value.Bytes(kValueTag, *scalar.tag).Float(kValueSimpleValue, static_cast<float>(scalar.point.value));
  ProtoWriter event = EventAt(scalar.point.unix_ms);
  event.Integer(kEventStep, scalar.point.step)
      .Bytes(kEventSummary, ProtoWriter().Bytes(kSummaryValue, value.bytes()).bytes());
  AppendFrame(event.bytes(), file);
}

}  // namespace

TrackerFile TensorBoardEvents(const TrackedRun& run) {
  std::vector<Scalar> scalars;
  const int64_t end_ms = run.end_unix_ms.value_or(run.start_unix_ms);
  for (const auto& [name, value] : run.summary) {
    scalars.push_back({.tag = &name, .point = {.step = 0, .value = value, .unix_ms = end_ms}});
  }
  for (const TrackedSeries& series : run.series) {
    for (const TrackedPoint& point : series.points) scalars.push_back({.tag = &series.name, .point = point});
  }
  std::stable_sort(scalars.begin(), scalars.end(),
                   [](const Scalar& a, const Scalar& b) { return a.point.step < b.point.step; });
  TrackerFile file;
  file.path = absl::StrFormat("%s/events.out.tfevents.%010d.lwq", TrackedFolder(run), run.start_unix_ms / 1000);
  AppendFrame(EventAt(run.start_unix_ms).Bytes(kEventFileVersion, "brain.Event:2").bytes(), &file.content);
  for (const Scalar& scalar : scalars) AppendScalar(scalar, &file.content);
  return file;
}

}  // namespace lwq::reporting
