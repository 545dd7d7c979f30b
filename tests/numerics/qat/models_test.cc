// SPDX-License-Identifier: Apache-2.0
// Every architecture, rope type, spelling of config.json and layout of the weights that is supported, against logits
// and perplexities of transformers (golden/models, made by scripts/make_model_golden); and each of them quantized,
// exported and read back. Runs without any other reference data.
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cstring>

#include "common/artifact/artifact.h"
#include "common/artifact/file_tree.h"
#include "common/export/block_checkpoint.h"
#include "common/export/export.h"
#include "common/export/model_blocks.h"
#include "common/model/check_model.h"
#include "common/model/tensor_source.h"
#include "common/object_store/memory_store.h"
#include "tests/numerics/qat/hashed_model.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"

namespace lwq::qat {
namespace {

constexpr double kRelativeTolerance = 1e-5;

struct ModelCase {
  Json golden;  // of the whole file
  Json entry;
  std::string name() const { return entry["name"].get<std::string>(); }
};

std::vector<ModelCase> CasesOf(const std::string& file) {
  const Json golden = ReadJson(std::string(LWQ_SOURCE_DIR "/tests/numerics/golden/models/") + file);
  std::vector<ModelCase> cases;
  for (const Json& entry : golden["cases"]) cases.push_back({golden, entry});
  return cases;
}

std::string NameOfCase(const ::testing::TestParamInfo<ModelCase>& info) {
  return info.param.name();
}

// A model as files in a store, and what can be made from it.
class StoredModel {
 public:
  StoredModel(const Json& config, std::map<std::string, HostTensor> tensors)
      : StoredModel(Upload({{"config.json", Bytes::FromString(config.dump())},
                            {"model.safetensors", Bytes::FromString(Serialized(std::move(tensors)))}})) {}

  const LlamaConfig& config() const { return config_; }
  const FileTree& tree() const { return tree_; }
  BlockState Block(int64_t k) const { return Value(LoadBlock(*source_, config_, k)); }
  bool HasTensor(std::string_view name) const { return source_->entries().contains(std::string(name)); }
  HeadWeights Head() const { return Value(LoadHead(*source_, config_)); }

  double Perplexity(const ModelCase& test, const std::vector<BlockState>* blocks = nullptr) const {
    MemorySamples tokens = Tokens(test);
    const CancelToken cancel;
    const PerplexityOptions options{.micro_batch = 2, .scratch_directory = ::testing::TempDir()};
    const auto load = [&](int64_t k) -> StatusOr<BlockState> { return blocks == nullptr ? Block(k) : blocks->at(k); };
    return Value(EvaluatePerplexity(config_, Head(), load, tokens, options, nullptr, cancel)).perplexity;
  }

  static MemorySamples Tokens(const ModelCase& test) {
    return HashedTokens(test.golden["windows"], test.golden["seqlen"], test.entry["config"]["vocab_size"]);
  }

  // Its blocks rounded to nearest.
  std::vector<BlockState> Rounded(int bits) const {
    std::vector<BlockState> blocks;
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      blocks.push_back(Value(QuantizeRtn(config_, Block(k), {.bits = bits, .group_size = 16})));
    }
    return blocks;
  }

  // The export of these blocks, read back.
  std::unique_ptr<StoredModel> Exported(const std::vector<BlockState>& blocks, ExportFormat format) {
    std::vector<ArtifactRef> checkpoints;
    for (const BlockState& block : blocks) checkpoints.push_back(Value(PublishBlock(*artifacts_, block)));
    CheckpointBlocks source(artifacts_.get(), checkpoints);
    const CancelToken cancel;
    const ExportResult exported = Value(ExportModel(tree_, source, {.format = format}, *artifacts_, nullptr, cancel));
    const FileTree tree = Value(FileTree::Open(artifacts_.get(), exported.files));
    std::map<std::string, Bytes> files;
    for (const std::string& path : tree.paths()) files[path] = Value(tree.ReadAll(path));
    return std::unique_ptr<StoredModel>(new StoredModel(Upload(files)));
  }

  template <typename T>
  static T Value(StatusOr<T> value) {
    LWQ_CHECK(value.ok(), value.status().ToString());
    return *std::move(value);
  }

 private:
  struct Uploaded {
    std::unique_ptr<MemoryStore> store;
    std::unique_ptr<ArtifactStore> artifacts;
    ArtifactRef files;
  };

  explicit StoredModel(Uploaded uploaded)
      : store_(std::move(uploaded.store)),
        artifacts_(std::move(uploaded.artifacts)),
        tree_(Value(FileTree::Open(artifacts_.get(), uploaded.files))),
        config_(Value(ReadModelConfig(tree_))),
        source_(Value(OpenModelTree(&tree_))) {
    const Status checked = CheckModelTensors(config_, *source_);
    LWQ_CHECK(checked.ok(), checked.ToString());
  }

  static std::string Serialized(std::map<std::string, HostTensor> tensors) {
    return Value(SerializeSafetensors(tensors, {{"format", "pt"}}));
  }

  static Uploaded Upload(const std::map<std::string, Bytes>& files) {
    Uploaded uploaded{std::make_unique<MemoryStore>(), nullptr, {}};
    uploaded.artifacts = std::make_unique<ArtifactStore>(uploaded.store.get());
    uploaded.files = Value(UploadContents(*uploaded.artifacts, files));
    return uploaded;
  }

  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<ArtifactStore> artifacts_;
  FileTree tree_;
  LlamaConfig config_;
  std::unique_ptr<TensorSource> source_;
};

std::unique_ptr<StoredModel> HashedModel(const Json& config) {
  const auto parsed = LlamaConfig::Parse(config.dump());
  LWQ_CHECK(parsed.ok(), parsed.status().ToString());
  return std::make_unique<StoredModel>(config, HashedTensors(*parsed));
}

// The logits of the golden positions of the first window, and the perplexity of all.
void ExpectGoldenOutputs(const StoredModel& model, const ModelCase& test) {
  const c10::NoGradGuard no_grad;
  const HeadWeights head = model.Head();
  LlamaModel whole;
  whole.config = model.config();
  whole.embedding = ToTensor(head.embedding, at::kFloat, at::kCPU);
  whole.final_norm = ToTensor(head.final_norm, at::kFloat, at::kCPU);
  whole.lm_head = ToTensor(head.lm_head, at::kFloat, at::kCPU);
  for (int64_t k = 0; k < model.config().num_hidden_layers; ++k) {
    whole.blocks.push_back(LoadBlock(model.config(), model.Block(k), at::kFloat, at::kCPU));
  }
  MemorySamples tokens = StoredModel::Tokens(test);
  const at::Tensor ids = ToTensor(StoredModel::Value(tokens.Read(0, 1)), at::kLong, at::kCPU);
  const at::Tensor logits = whole.Forward(ids)[0];
  const auto positions = test.golden["shown_positions"].get<std::vector<int64_t>>();
  for (size_t i = 0; i < positions.size(); ++i) {
    const at::Tensor wanted = at::tensor(test.entry["logits"][i].get<std::vector<double>>(), at::kDouble);
    const double largest = wanted.abs().max().item<double>();
    EXPECT_LE(logits[positions[i]].to(at::kDouble).sub(wanted).abs().max().item<double>(), kRelativeTolerance * largest)
        << "position " << positions[i];
  }
  const double wanted = test.entry["perplexity"];
  EXPECT_NEAR(model.Perplexity(test), wanted, kRelativeTolerance * wanted);
}

bool SameBytes(const HostTensor& a, const HostTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes.view() == b.bytes.view();
}

void ExpectSameBlock(const BlockState& a, const BlockState& b) {
  for (const LinearKind kind : kAllLinears) {
    const auto& x = std::get<QuantizedLinear>(a.linears.at(kind));
    const auto* y = std::get_if<QuantizedLinear>(&b.linears.at(kind));
    ASSERT_NE(y, nullptr);
    EXPECT_TRUE(SameBytes(x.codes, y->codes) && SameBytes(x.scales, y->scales) && SameBytes(x.zeros, y->zeros))
        << LinearName(kind);
    ASSERT_EQ(a.biases.contains(kind), b.biases.contains(kind)) << LinearName(kind);
    if (!a.biases.contains(kind)) continue;
    EXPECT_TRUE(SameBytes(a.biases.at(kind), b.biases.at(kind))) << LinearName(kind);
  }
  const auto norms = NormsOf(a), others = NormsOf(b);
  ASSERT_EQ(norms.size(), others.size());
  for (size_t i = 0; i < norms.size(); ++i) EXPECT_TRUE(SameBytes(*norms[i].second, *others[i].second));
}

class GoldenModelTest : public ::testing::TestWithParam<ModelCase> {};

TEST_P(GoldenModelTest, LogitsAndPerplexityAreThoseOfTransformers) {
  ExpectGoldenOutputs(*HashedModel(GetParam().entry["config"]), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Architectures, GoldenModelTest, ::testing::ValuesIn(CasesOf("architectures.json")),
                         NameOfCase);
INSTANTIATE_TEST_SUITE_P(Ropes, GoldenModelTest, ::testing::ValuesIn(CasesOf("ropes.json")), NameOfCase);

// The weights of a layout, as scripts/make_model_golden writes them.
std::map<std::string, HostTensor> LaidOut(const std::string& layout, std::map<std::string, HostTensor> tensors) {
  std::map<std::string, HostTensor> out;
  for (auto& [name, tensor] : tensors) {
    if (layout == "float64") {
      std::string wide;
      for (int64_t i = 0; i < tensor.elements(); ++i) {
        float value = 0;
        std::memcpy(&value, tensor.bytes.data() + i * 4, 4);
        const double exact = value * (1 + 0x1p-40);
        wide.append(reinterpret_cast<const char*>(&exact), sizeof(exact));
      }
      out[name] = {DType::kF64, tensor.shape, Bytes::FromString(std::move(wide))};
    } else if (layout == "tied_with_the_head_alone" && name == kEmbeddingTensor) {
      out[std::string(kHeadTensor)] = tensor;
    } else if (layout.ends_with("without_the_prefix") && name.starts_with("model.")) {
      out[name.substr(6)] = tensor;
    } else {
      out[name] = tensor;
    }
  }
  if (layout == "tied_with_a_head_of_its_own") {
    out[std::string(kHeadTensor)] = HashedTensor(kHeadTensor, out.at(std::string(kEmbeddingTensor)).shape);
  }
  return out;
}

class LayoutTest : public ::testing::TestWithParam<ModelCase> {};

TEST_P(LayoutTest, LogitsAndPerplexityAreThoseOfTransformersAndSoAreThoseOfTheExport) {
  const Json config = GetParam().entry["config"];
  const auto parsed = LlamaConfig::Parse(config.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  StoredModel model(config, LaidOut(GetParam().name(), HashedTensors(*parsed)));
  ExpectGoldenOutputs(model, GetParam());
  const std::vector<BlockState> blocks = model.Rounded(8);
  const double perplexity = model.Perplexity(GetParam(), &blocks);
  const auto exported = model.Exported(blocks, ExportFormat::kGptqV2);
  EXPECT_EQ(exported->Perplexity(GetParam()), perplexity);
  const bool has_own_head = GetParam().name() == "tied_with_a_head_of_its_own";
  EXPECT_EQ(exported->config().tie_word_embeddings, parsed->tie_word_embeddings && !has_own_head);
  EXPECT_EQ(exported->HasTensor(kHeadTensor), has_own_head || !parsed->tie_word_embeddings);
}

INSTANTIATE_TEST_SUITE_P(Layouts, LayoutTest, ::testing::ValuesIn(CasesOf("layouts.json")), NameOfCase);

class ArchitectureExportTest : public ::testing::TestWithParam<ModelCase> {};

TEST_P(ArchitectureExportTest, QuantizedExportedAndReadBackItIsTheSameModelBitForBit) {
  const auto model = HashedModel(GetParam().entry["config"]);
  for (const int bits : {4, 8}) {
    const std::vector<BlockState> blocks = model->Rounded(bits);
    const double perplexity = model->Perplexity(GetParam(), &blocks);
    const auto packed = model->Exported(blocks, ExportFormat::kGptqV2);
    for (size_t k = 0; k < blocks.size(); ++k) ExpectSameBlock(blocks[k], packed->Block(static_cast<int64_t>(k)));
    EXPECT_EQ(packed->Perplexity(GetParam()), perplexity);
    const auto plain = model->Exported(blocks, ExportFormat::kFakeQuant);
    EXPECT_NEAR(plain->Perplexity(GetParam()), perplexity, 1e-2 * perplexity) << "fp16 weights";
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, ArchitectureExportTest, ::testing::ValuesIn(CasesOf("architectures.json")),
                         NameOfCase);

}  // namespace
}  // namespace lwq::qat
