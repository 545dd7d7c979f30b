// SPDX-License-Identifier: Apache-2.0
// Exports of random models in folders, for the tests of what reads and rewrites them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/export/block.h"
#include "common/export/export.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {

// Blocks of a test: made before, given one by one.
class GivenBlocks : public BlockSource {
 public:
  explicit GivenBlocks(const std::vector<BlockState>* blocks) : blocks_(blocks) {}
  int64_t blocks() const override { return static_cast<int64_t>(blocks_->size()); }
  StatusOr<BlockFormat> Format(int64_t block) override { return FormatOf(blocks_->at(static_cast<size_t>(block))); }
  StatusOr<BlockState> Load(int64_t block) override { return blocks_->at(static_cast<size_t>(block)); }

 private:
  const std::vector<BlockState>* blocks_;
};

class MadeExportTest : public ::testing::Test {
 protected:
  MadeExportTest();
  ~MadeExportTest() override;

  std::string At(const std::string& name) const { return root_ + "/" + name; }

  // A plain model in At("model"), with the fixture's tokenizer.
  void MakeModel(TinyModelOptions options = {});
  // Random blocks of it; `choose` gives the width of each.
  void MakeBlocks(const std::function<Width(int64_t)>& choose, uint64_t seed = 7);
  void MakeBlocks(const Width& width) {
    MakeBlocks([&](int64_t) { return width; });
  }
  // Zero points of 2 bits become 1 or 2.
  void CentreZeroPoints();
  // Zero points become those of symmetric quantization.
  void MakeSymmetric();

  // Exports the blocks to At(name).
  Status Export(ExportFormat format, const std::string& name, int64_t shard_bytes = int64_t{4} << 30,
                ZeroPoints zero_points = ZeroPoints::kAny);
  // Converts At(from) to At(to).
  StatusOr<Json> Convert(const std::string& from, ExportFormat format, const std::string& to);

  // Files of At(name), by path inside it.
  std::map<std::string, std::string> FilesOf(const std::string& name) const;
  // Blocks as a reader of At(name) gets them.
  std::vector<BlockState> BlocksOf(const std::string& name) const;

  LlamaConfig config_;
  std::vector<BlockState> blocks_;

 private:
  std::string root_;
  void ChangeZeroPoints(const std::function<int(uint8_t zero, int bits)>& change);
};

}  // namespace lwq::qat
