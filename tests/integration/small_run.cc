// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/small_run.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"

namespace lwq::test {

std::string WriteSmallRun(const std::string& directory, const std::string& tag, const SmallRun& run) {
  const std::string model = absl::StrCat(directory, "/model-", run.blocks);
  const std::string fixtures = std::string(LWQ_SOURCE_DIR) + "/tests/fixtures";
  if (!std::filesystem::exists(model)) {
    TinyModelOptions options;
    options.num_hidden_layers = run.blocks;
    options.tokenizer_directory = fixtures + "/model";
    const Status status = WriteTinyModel(model, options);
    LWQ_CHECK(status.ok(), status.message());
    // 12 KB of text: the evaluation of a random model need not be long.
    WriteFile(directory + "/heldout.txt", ReadFileOrEmpty(fixtures + "/world/heldout.txt").substr(0, 12000));
  }
  const std::string path = absl::StrCat(directory, "/run-", tag, ".yaml");
  WriteFile(path, absl::StrCat("name: ", tag, "\nmodel: ", model, "\ncalib_dataset: ", fixtures,
                               "/world/calib.txt\neval_texts: [heldout.txt]\nmethod: ", run.method, "\npreset: ",
                               run.preset, "\nwbits: ", run.wbits, "\ngroup_size: 32\ntrain_size: ", run.train_size,
                               "\nval_size: 4\ntraining_seqlen: 64\nppl_seqlen: 64\nprecision: fp32\nquant_lr: 1e-3\n"
                               "weight_lr: 1e-3\nepochs: ",
                               run.epochs, "\n", run.extra));
  return path;
}

}  // namespace lwq::test
