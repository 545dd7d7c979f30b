// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/export/made_export.h"

#include <filesystem>

#include "common/artifact/file_tree.h"
#include "common/export/convert.h"
#include "common/export/folder_writer.h"
#include "common/export/model_blocks.h"
#include "common/model/model_config.h"
#include "common/object_store/memory_store.h"
#include "tests/fixtures/whole_file.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

// The files of a folder that are no weights, as a tree.
StatusOr<FileTree> SmallFilesOf(ArtifactStore& artifacts, const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".safetensors") && !name.ends_with(".index.json")) files[name] = entry.path().string();
  }
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, UploadFiles(artifacts, files, nullptr));
  return FileTree::Open(&artifacts, ref);
}

StatusOr<LlamaConfig> ConfigOf(const std::string& folder) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(folder + "/config.json"));
  return ParseModelConfig(text, "");
}

}  // namespace

MadeExportTest::MadeExportTest()
    : root_(::testing::TempDir() + "/made_export_" + ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
  fs::remove_all(root_);
  fs::create_directories(root_);
}

MadeExportTest::~MadeExportTest() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void MadeExportTest::MakeModel(TinyModelOptions options) {
  fs::remove_all(At("model"));
  options.tokenizer_directory = LWQ_SOURCE_DIR "/tests/fixtures/model";
  ASSERT_TRUE(WriteTinyModel(At("model"), options).ok());
  ASSERT_TRUE(WriteWholeFile(At("model/LICENSE"), "as it is").ok());
  const auto config = ConfigOf(At("model"));
  ASSERT_TRUE(config.ok()) << config.status();
  config_ = *config;
}

void MadeExportTest::MakeBlocks(const std::function<Width(int64_t)>& choose, uint64_t seed) {
  WorldRandom random(seed);
  blocks_.clear();
  for (int64_t k = 0; k < config_.num_hidden_layers; ++k) blocks_.push_back(RandomBlock(config_, choose(k), random));
}

void MadeExportTest::CentreZeroPoints() {
  ChangeZeroPoints([](uint8_t zero, int) { return zero < 2 ? 1 : 2; });
}

void MadeExportTest::MakeSymmetric() {
  ChangeZeroPoints([](uint8_t, int bits) { return SymmetricZeroPoint(bits); });
}

void MadeExportTest::ChangeZeroPoints(const std::function<int(uint8_t zero, int bits)>& change) {
  for (BlockState& block : blocks_) {
    for (auto& [kind, weight] : block.linears) {
      auto& linear = std::get<QuantizedLinear>(weight);
      auto zeros = ValuesOf<uint8_t>(linear.zeros);
      for (uint8_t& zero : zeros) zero = static_cast<uint8_t>(change(zero, linear.bits));
      linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
    }
  }
}

Status MadeExportTest::Export(ExportFormat format, const std::string& name, int64_t shard_bytes,
                              ZeroPoints zero_points) {
  MemoryStore memory;
  ArtifactStore artifacts(&memory);
  LWQ_ASSIGN_OR_RETURN(const FileTree files, SmallFilesOf(artifacts, At("model")));
  LWQ_ASSIGN_OR_RETURN(const auto tensors, OpenModelDirectory(At("model")));
  LWQ_ASSIGN_OR_RETURN(const auto writer, FolderWriter::Create(At(name)));
  GivenBlocks blocks(&blocks_);
  const CancelToken cancel;
  const ExportOptions options{.format = format, .shard_bytes = shard_bytes, .zero_points = zero_points};
  LWQ_RETURN_IF_ERROR(WriteExport({.config = config_, .tensors = tensors.get(), .files = &files}, blocks, options,
                                  *writer, nullptr, cancel)
                          .status());
  return writer->Commit();
}

StatusOr<Json> MadeExportTest::Convert(const std::string& from, ExportFormat format, const std::string& to) {
  MemoryStore memory;
  ArtifactStore artifacts(&memory);
  LWQ_ASSIGN_OR_RETURN(const FileTree files, SmallFilesOf(artifacts, At(from)));
  LWQ_ASSIGN_OR_RETURN(const auto tensors, OpenModelDirectory(At(from)));
  QuantizedModel model{.config = {}, .tensors = tensors.get(), .files = &files};
  LWQ_ASSIGN_OR_RETURN(model.config, ConfigOf(At(from)));
  LWQ_ASSIGN_OR_RETURN(const auto writer, FolderWriter::Create(At(to)));
  const CancelToken cancel;
  LWQ_ASSIGN_OR_RETURN(Json metrics, ConvertExport(model, format, *writer, nullptr, cancel));
  LWQ_RETURN_IF_ERROR(writer->Commit());
  return metrics;
}

std::map<std::string, std::string> MadeExportTest::FilesOf(const std::string& name) const {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(At(name))) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), At(name)).generic_string()] = *ReadWholeFile(entry.path().string());
  }
  return files;
}

std::vector<BlockState> MadeExportTest::BlocksOf(const std::string& name) const {
  const auto config = ConfigOf(At(name));
  LWQ_CHECK(config.ok(), config.status().ToString());
  const auto tensors = OpenModelDirectory(At(name));
  LWQ_CHECK(tensors.ok(), tensors.status().ToString());
  std::vector<BlockState> blocks;
  for (int64_t k = 0; k < config->num_hidden_layers; ++k) {
    auto block = LoadBlock(**tensors, *config, k);
    LWQ_CHECK(block.ok(), block.status().ToString());
    blocks.push_back(*std::move(block));
  }
  return blocks;
}

}  // namespace lwq::qat
