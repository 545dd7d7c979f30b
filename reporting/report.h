// SPDX-License-Identifier: Apache-2.0
// Runs side by side: one row per run, one for each full-precision model they started from. Pure.
//
// Recovered share of a run on a text, of metrics that compare by their logarithm (metric.h: perplexity):
// (ln P_rtn − ln P_run) / (ln P_rtn − ln P_fp), where P_rtn is the round-to-nearest run's value with the same model,
// bits and group size, and P_fp the full-precision model's, both among the runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

// What is compared across rows: a metric on a text.
struct ReportColumn {
  std::string metric;
  std::string dataset;
  friend bool operator==(const ReportColumn&, const ReportColumn&) = default;
};

struct ReportValue {
  ReportColumn column = {};
  double value = 0;
  std::optional<double> standard_error = std::nullopt;   // absent where the metric has none
  int64_t count = 0;                                     // what the value is over
  std::optional<bool> add_bos = std::nullopt;            // absent where it is unknown
  std::optional<double> full_precision = std::nullopt;   // the model's own value, where it was measured alike
  std::optional<double> recovered_share = std::nullopt;  // where it can be told
};

struct ReportRow {
  std::string run_id;  // empty for a full-precision model
  std::string name;
  std::string state;
  std::string stopped;  // of a run that halving has stopped: "after 3 blocks, block_loss 0.0123"
  std::string method;   // "fp" for a full-precision model
  std::string preset;
  double average_bits = 0;  // 0: not quantized
  int64_t group_size = 0;
  double stored_bits_per_weight = 0;
  int64_t size_bytes = 0;
  int64_t steps = 0;
  double seconds = 0;
  std::string result_digest;
  std::vector<ReportValue> measured;  // at most one of a column
  std::string recipe;                 // one line
  std::vector<std::string> remarks;   // what the numbers alone do not say, a line each
};

struct Report {
  std::vector<ReportColumn> columns;  // in the order first seen
  std::vector<ReportRow> rows;
};

// Null where the row has none.
const ReportValue* ValueIn(const ReportRow& row, const ReportColumn& column);

// What two runs have to agree on for their values of a column to be of the same measurement: the model, the text, and
// the windows where the metric needs them equal.
std::string MeasurementOf(const lwqat::v1::Run& run, const ReportColumn& column);

// Absent unless all are finite and rounding cost something (rtn > fp).
std::optional<double> RecoveredShare(double fp, double rtn, double quantized);

Report BuildReport(const std::vector<lwqat::v1::Run>& runs, double now_unix_s);
// {"columns": [{…}], "rows": [{…}]}; what is absent is left out.
Json ReportToJson(const Report& report);

}  // namespace lwq::reporting
