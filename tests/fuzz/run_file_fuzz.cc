// SPDX-License-Identifier: Apache-2.0
// A run file, sweep file or tune file of any bytes is refused in one line, or read.
#include "client/run_file/read_run_file.h"
#include "client/run_file/sweep_file.h"
#include "client/run_file/tune_file.h"
#include "tests/fuzz/one_line.h"

namespace lwq {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = InputText(data, size);
  CheckOneLine(client::ParseRunFile(text, "run.yaml", "").status());
  CheckOneLine(client::ParseSweepFile(text, "sweep.yaml", "").status());
  CheckOneLine(client::ParseTuneFile(text, "tune.yaml", "").status());
  return 0;
}

}  // namespace lwq
