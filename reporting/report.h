// SPDX-License-Identifier: Apache-2.0
// Runs side by side: one row per run, one for each full-precision model they started from. Pure.
//
// Recovered share of a run on a text: (ln P_rtn − ln P_run) / (ln P_rtn − ln P_fp), where P_rtn is the round-to-nearest
// run's perplexity with the same model, bits and group size, and P_fp the full-precision model's, both among the runs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

struct ReportRow {
  std::string run_id;  // empty for a full-precision model
  std::string name;
  std::string state;
  std::string method;  // "fp" for a full-precision model
  std::string preset;
  double average_bits = 0;  // 0: not quantized
  int64_t group_size = 0;
  double stored_bits_per_weight = 0;
  int64_t size_bytes = 0;
  int64_t steps = 0;
  double seconds = 0;
  std::string result_digest;
  std::map<std::string, double> perplexity;       // by text
  std::map<std::string, double> fp_perplexity;    // by text
  std::map<std::string, int64_t> tokens;          // by text
  std::map<std::string, bool> add_bos;            // by text, where it is known
  std::map<std::string, double> recovered_share;  // by text, where it can be told
  std::string recipe;                             // one line
  std::vector<std::string> remarks;               // what the numbers alone do not say, a line each
};

struct Report {
  std::vector<std::string> texts;  // in the order first seen
  std::vector<ReportRow> rows;
};

// Absent unless all are finite and rounding cost something (rtn > fp).
std::optional<double> RecoveredShare(double fp, double rtn, double quantized);

Report BuildReport(const std::vector<lwqat::v1::Run>& runs, double now_unix_s);
// {"texts": […], "rows": [{…}]}
Json ReportToJson(const Report& report);

}  // namespace lwq::reporting
