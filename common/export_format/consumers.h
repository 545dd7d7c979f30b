// SPDX-License-Identifier: Apache-2.0
// Which program loads which export: one table, from which the plan's remarks, the checks of the recipe's key serve and
// the table of docs/formats.md are made.
//
// A row is one program at one version with one format: for some widths, kinds of zero points, and models whose blocks
// are alike or differ. Rows of a program and format do not overlap; what no row covers was not tried. A verdict is
// about weights as they are after loading: kernels round activations in their own ways. Rows marked kRan were seen by
// running that version on exports; kRead were read in its source. vLLM's were run on a CPU. Pure values; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/export_format/export_format.h"

namespace lwq {

// From best to worst.
enum class Verdict {
  kExact,     // each weight is (q − z)·s
  kRounded,   // loads; some weights are rounded on the way
  kNotTried,  // nothing is known
  kRefused,   // an error, before or at loading
  kWrong,     // loads without a word, with other weights
};
enum class Evidence { kRan, kRead };
enum class SymRule { kAny, kAsymmetric, kSymmetric };
enum class MixRule { kAny, kUniform, kMixed };  // mixed: blocks differ in bits or in group size

struct ConsumerRow {
  Consumer consumer = Consumer::kVllm;
  ExportFormat format = ExportFormat::kNone;
  std::vector<int> widths;
  SymRule sym = SymRule::kAny;
  MixRule mix = MixRule::kAny;
  Verdict verdict = Verdict::kNotTried;
  Evidence evidence = Evidence::kRan;
  std::string_view said;  // of kRefused its own words, or what it lacks; else what loading takes
};

// By consumer and format.
std::span<const ConsumerRow> ConsumerRows();

// "vLLM 0.32.0"
std::string_view VersionedName(Consumer consumer);

// What becomes of a model: of its widths the worst verdict, and the row that gives it; no row of kNotTried.
struct Served {
  Verdict verdict = Verdict::kNotTried;
  const ConsumerRow* row = nullptr;
  int bits = 0;  // the width it is about
};
// Requires at least one width.
Served ServedBy(Consumer consumer, ExportFormat format, const ServedModel& model);

// Whether it loads with the weights that were trained, or these rounded.
inline bool Loads(const Served& served) {
  return served.verdict == Verdict::kExact || served.verdict == Verdict::kRounded;
}

// "vLLM 0.32.0 refuses 3 bits in gptq_v2: Unsupported quantization config: bits=3, sym=False", one line.
std::string ServedText(Consumer consumer, ExportFormat format, const Served& served);

// The table of docs/formats.md, as Markdown.
std::string ConsumerTable();

}  // namespace lwq
