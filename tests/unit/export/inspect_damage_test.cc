// SPDX-License-Identifier: Apache-2.0
// Damaged exports: each fault is a line that names the place.
#include <cstring>
#include <filesystem>
#include <limits>

#include "common/artifact/safetensors.h"
#include "common/export/inspect/inspect.h"
#include "gmock/gmock.h"
#include "tests/fixtures/whole_file.h"
#include "tests/unit/export/made_export.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Tensors = std::map<std::string, HostTensor>;

constexpr char kQ[] = "model.layers.1.self_attn.q_proj";
constexpr char kIndex[] = "model.safetensors.index.json";

// One thing that is wrong with an export, and what is said of it.
struct Damage {
  std::string title;
  std::function<void(const std::string& folder)> make;
  std::string said;
};

std::string TextIn(const std::string& path) {
  return *ReadWholeFile(path);
}
void Write(const std::string& path, std::string_view text) {
  ASSERT_TRUE(WriteWholeFile(path, text).ok());
}
void EditJson(const std::string& path, const std::function<void(Json&)>& edit) {
  Json json = Json::parse(TextIn(path));
  edit(json);
  Write(path, json.dump());
}
// Rewrites the file that holds the tensor.
void EditTensors(const std::string& folder, const std::string& tensor, const std::function<void(Tensors&)>& edit) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = SafetensorsFile::Open(entry.path().string());
    if (!file.ok() || !file->Contains(tensor)) continue;
    Tensors tensors;
    for (const auto& [name, described] : file->header().tensors) {
      const HostTensor read = *file->Get(name);
      tensors[name] = {read.dtype, read.shape, Bytes::FromString(std::string(read.bytes.view()))};
    }
    edit(tensors);
    const auto bytes = SerializeSafetensors(tensors, {});
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    return Write(entry.path().string(), *bytes);
  }
  FAIL() << "no file holds " << tensor;
}
// A function that does the same to one tensor.
std::function<void(const std::string&)> Edit(const std::string& tensor, std::function<HostTensor(HostTensor)> edit) {
  return [=](const std::string& folder) {
    EditTensors(folder, tensor, [&](Tensors& tensors) { tensors[tensor] = edit(tensors.at(tensor)); });
  };
}
std::function<void(const std::string&)> EditConfig(std::function<void(Json&)> edit) {
  return [=](const std::string& folder) { EditJson(folder + "/config.json", edit); };
}
std::function<void(const std::string&)> EditIndex(std::function<void(Json&)> edit) {
  return [=](const std::string& folder) { EditJson(folder + "/" + kIndex, edit); };
}

constexpr char kFirstShard[] = "model-00001-of-00002.safetensors";
constexpr char kLastShard[] = "model-00002-of-00002.safetensors";
constexpr uint16_t kHalfNan = 0x7e00;

std::vector<Damage> FileDamages() {
  return {
      {"a truncated shard",
       [](const std::string& folder) {
         const std::string path = folder + "/" + kLastShard;
         fs::resize_file(path, fs::file_size(path) - 100);
       },
       kLastShard},
      {"an empty shard", [](const std::string& folder) { Write(folder + "/" + kLastShard, ""); }, kLastShard},
      {"a header that claims to be longer than the file",
       [](const std::string& folder) {
         std::string text = TextIn(folder + "/" + kFirstShard);
         const uint64_t length = std::numeric_limits<uint64_t>::max() / 2;
         std::memcpy(text.data(), &length, sizeof(length));
         Write(folder + "/" + kFirstShard, text);
       },
       kFirstShard},
      {"a header that is no JSON",
       [](const std::string& folder) {
         std::string text = TextIn(folder + "/" + kFirstShard);
         text[8] = '#';
         Write(folder + "/" + kFirstShard, text);
       },
       kFirstShard},
      {"a shape whose size overflows",
       [](const std::string& folder) {
         const std::string header =
             R"({"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,4]}})";
         std::string text(8, '\0');
         const uint64_t length = header.size();
         std::memcpy(text.data(), &length, sizeof(length));
         Write(folder + "/" + kLastShard, text + header + "1234");
       },
       kLastShard},
      {"a missing shard", [](const std::string& folder) { fs::remove(folder + "/" + kLastShard); },
       absl::StrCat("names ", kLastShard, ", which is not there")},
      {"a shard that the index leaves out",
       [](const std::string& folder) {
         const auto bytes = SerializeSafetensors({{"stray", MakeTensor<float>(DType::kF32, {1}, {1})}}, {});
         Write(folder + "/extra.safetensors", *bytes);
       },
       "extra.safetensors is not in"},
      {"a tensor in two files",
       [](const std::string& folder) {
         const auto bytes =
             SerializeSafetensors({{std::string(kFinalNormTensor), MakeTensor<float>(DType::kF32, {1}, {1})}}, {});
         Write(folder + "/extra.safetensors", *bytes);
       },
       "model.norm.weight is both in"},
      {"an index that is no JSON", [](const std::string& folder) { Write(folder + "/" + kIndex, "{"); }, kIndex},
      {"an index without a map", EditIndex([](Json& index) { index.erase("weight_map"); }), "has no weight_map"},
      {"an index whose map holds numbers", EditIndex([](Json& index) { index["weight_map"]["model.norm.weight"] = 7; }),
       "the file of model.norm.weight is no text"},
      {"a tensor that is elsewhere than the index says",
       EditIndex([](Json& index) { index["weight_map"]["model.embed_tokens.weight"] = kLastShard; }),
       "says that model.embed_tokens.weight is in"},
      {"a tensor that the index does not list",
       EditIndex([](Json& index) { index["weight_map"].erase("model.norm.weight"); }),
       "does not list model.norm.weight"},
      {"a total size of another model", EditIndex([](Json& index) { index["metadata"]["total_size"] = 5; }),
       "total_size is 5"},
  };
}

std::vector<Damage> ConfigDamages() {
  return {
      {"no config.json", [](const std::string& folder) { fs::remove(folder + "/config.json"); }, "config.json"},
      {"a config.json that is no JSON", [](const std::string& folder) { Write(folder + "/config.json", "{"); },
       "config.json"},
      {"an architecture that is another",
       EditConfig([](Json& config) { config["architectures"] = {"GPT2LMHeadModel"}; }), "GPT2LMHeadModel"},
      {"another number of blocks", EditConfig([](Json& config) { config["num_hidden_layers"] = 3; }),
       "model.layers.2.input_layernorm.weight"},
      {"other bits than the tensors have", EditConfig([](Json& config) { config["quantization_config"]["bits"] = 2; }),
       ".qweight' has shape"},
      {"groups that do not divide the inputs",
       EditConfig([](Json& config) { config["quantization_config"]["group_size"] = 48; }), "groups of 48"},
      {"groups in activation order", EditConfig([](Json& config) { config["quantization_config"]["desc_act"] = true; }),
       "desc_act"},
      {"a method that is none", EditConfig([](Json& config) {
         for (const char* key : {"quant_method", "method"}) config["quantization_config"][key] = "awq";
       }),
       "awq"},
      {"a tokenizer that cannot be built", [](const std::string& folder) { Write(folder + "/tokenizer.model", "x"); },
       "tokenizer.model"},
  };
}

std::vector<Damage> TensorDamages() {
  const std::string q = kQ;
  return {
      {"codes of another dtype",
       Edit(q + ".qweight",
            [](HostTensor tensor) {
              tensor.dtype = DType::kF32;
              return tensor;
            }),
       "qweight' is F32; it must be I32"},
      {"codes of another shape",
       Edit(q + ".qweight",
            [](HostTensor tensor) {
              std::swap(tensor.shape[0], tensor.shape[1]);
              return tensor;
            }),
       "qweight' has shape"},
      {"missing zero points",
       [q](const std::string& folder) {
         EditTensors(folder, q + ".qzeros", [&](Tensors& tensors) { tensors.erase(q + ".qzeros"); });
       },
       absl::StrCat("no tensor '", q, ".qzeros'")},
      {"a scale that is no number",
       Edit(q + ".scales", [](const HostTensor& tensor) { return WithElement<uint16_t>(tensor, 5, kHalfNan); }),
       "scales holds"},
      {"a scale of zero",
       Edit(q + ".scales", [](const HostTensor& tensor) { return WithElement<uint16_t>(tensor, 5, 0); }),
       "1 of 128 scales are not above 0, the first of output 5, group 0"},
      {"groups out of order",
       Edit(q + ".g_idx", [](const HostTensor& tensor) { return WithElement<int32_t>(tensor, 0, 1); }),
       "g_idx[0] is 1"},
      {"a norm that is no number",
       Edit("model.norm.weight", [](HostTensor tensor) { return WithElement<uint16_t>(tensor, 3, kHalfNan); }),
       "model.norm.weight"},
      {"an embedding of another vocabulary",
       Edit("model.embed_tokens.weight",
            [](HostTensor tensor) {
              return HostTensor{tensor.dtype, {768, 128}, tensor.bytes};
            }),
       "model.embed_tokens.weight' has shape [768, 128]"},
      {"a bias that the architecture has not",
       [q](const std::string& folder) {
         EditTensors(folder, q + ".qweight", [&](Tensors& tensors) {
           tensors[q + ".bias"] = MakeTensor<float>(DType::kF32, {64}, std::vector<float>(64, 1));
         });
       },
       "self_attn.q_proj.bias is not zero"},
  };
}

// A function that edits the weights of the first group of a compressed-tensors config.
std::function<void(const std::string&)> EditScheme(std::function<void(Json&)> edit) {
  return EditConfig([=](Json& config) { edit(config["quantization_config"]["config_groups"]["group_0"]); });
}

// Of compressed_tensors at 4 bits in groups of 32.
std::vector<Damage> PackedDamages() {
  const std::string q = kQ;
  const auto transposed = [](HostTensor tensor) {
    std::swap(tensor.shape[0], tensor.shape[1]);
    return tensor;
  };
  return {
      {"no packed weight",
       [q](const std::string& folder) {
         EditTensors(folder, q + ".weight_packed", [&](Tensors& tensors) { tensors.erase(q + ".weight_packed"); });
       },
       absl::StrCat("no tensor '", q, ".weight_packed'")},
      {"no zero points",
       [q](const std::string& folder) {
         EditTensors(folder, q + ".weight_zero_point",
                     [&](Tensors& tensors) { tensors.erase(q + ".weight_zero_point"); });
       },
       absl::StrCat("no tensor '", q, ".weight_zero_point'")},
      {"packed weights the wrong way round", Edit(q + ".weight_packed", transposed), "weight_packed' has shape"},
      {"scales the wrong way round", Edit(q + ".weight_scale", transposed), "weight_scale' has shape"},
      {"zero points the wrong way round", Edit(q + ".weight_zero_point", transposed), "weight_zero_point' has shape"},
      {"a shape of another linear",
       Edit(q + ".weight_shape", [](const HostTensor& tensor) { return WithElement<int64_t>(tensor, 0, 128); }),
       "weight_shape is not [64, 64]"},
      {"a negative shape",
       Edit(q + ".weight_shape", [](const HostTensor& tensor) { return WithElement<int64_t>(tensor, 1, -64); }),
       "weight_shape is not [64, 64]"},
      {"a scale that is no number",
       Edit(q + ".weight_scale", [](const HostTensor& tensor) { return WithElement<uint16_t>(tensor, 5, kHalfNan); }),
       "scales holds"},
      {"a scale below 0",
       Edit(q + ".weight_scale", [](const HostTensor& tensor) { return WithElement<uint16_t>(tensor, 5, 0xbc00); }),
       "scales are not above 0"},
      {"other bits than the tensors have", EditScheme([](Json& group) { group["weights"]["num_bits"] = 8; }),
       "weight_packed' has shape"},
      {"a width that is none", EditScheme([](Json& group) { group["weights"]["num_bits"] = 7; }), "num_bits 7"},
      {"other groups than the tensors have", EditScheme([](Json& group) { group["weights"]["group_size"] = 64; }),
       "weight_scale' has shape"},
      {"floating point", EditScheme([](Json& group) { group["weights"]["type"] = "float"; }), "type 'float'"},
      {"quantized activations", EditScheme([](Json& group) {
         group["input_activations"] = {{"num_bits", 8}};
       }),
       "quantization of activations"},
      {"another packing", EditConfig([](Json& config) {
         config["quantization_config"]["config_groups"]["group_0"]["format"] = "marlin-24";
       }),
       "format 'marlin-24'"},
      {"targets that are no list", EditScheme([](Json& group) { group["targets"] = 7; }), "targets must be a list"},
      {"no groups", EditConfig([](Json& config) { config["quantization_config"]["config_groups"] = Json::object(); }),
       "config_groups must be an object with a group"},
  };
}

class InspectDamageTest : public MadeExportTest {
 protected:
  // 2 blocks at 4 bits in groups of 32, in two files.
  void MakeSound() {
    MakeModel({.num_hidden_layers = 2});
    MakeBlocks({4, 32});
    ASSERT_TRUE(Export(ExportFormat::kGptqV2, "sound", /*shard_bytes=*/230'000).ok());
    ASSERT_TRUE(fs::exists(At(std::string("sound/") + kLastShard)));
    ASSERT_THAT(FaultsOf("sound"), IsEmpty());
  }
  std::vector<std::string> FaultsOf(const std::string& name) {
    const auto found = InspectExport(At(name), nullptr);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? found->faults : std::vector<std::string>();
  }
  void ExpectFaults(const std::vector<Damage>& damages) {
    for (const Damage& damage : damages) {
      SCOPED_TRACE(damage.title);
      fs::remove_all(At("damaged"));
      fs::copy(At("sound"), At("damaged"), fs::copy_options::recursive);
      damage.make(At("damaged"));
      const std::vector<std::string> faults = FaultsOf("damaged");
      EXPECT_THAT(faults, Contains(HasSubstr(damage.said)));
      for (const std::string& fault : faults) EXPECT_THAT(fault, Not(HasSubstr("\n")));
    }
  }
};

TEST_F(InspectDamageTest, EveryDamagedFileIsNamed) {
  MakeSound();
  ExpectFaults(FileDamages());
}

TEST_F(InspectDamageTest, EveryConfigurationThatDoesNotFitIsNamed) {
  MakeSound();
  ExpectFaults(ConfigDamages());
}

TEST_F(InspectDamageTest, EveryTensorThatCannotBeIsNamed) {
  MakeSound();
  ExpectFaults(TensorDamages());
}

TEST_F(InspectDamageTest, EveryDamageToCompressedTensorsIsNamed) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks({4, 32});
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "sound").ok());
  ASSERT_THAT(FaultsOf("sound"), IsEmpty());
  ExpectFaults(PackedDamages());
}

TEST_F(InspectDamageTest, EveryDamageToVersionOneOfGptqIsNamed) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks({4, 32});
  MakeSymmetric();
  ASSERT_TRUE(Export(ExportFormat::kGptq, "sound", int64_t{4} << 30, ZeroPoints::kSymmetric).ok());
  ASSERT_THAT(FaultsOf("sound"), IsEmpty());
  const std::string q = kQ;
  // Both of them say which version it is.
  const auto name_version = [](const char* version) {
    return [=](const std::string& folder) {
      fs::remove(folder + "/quantize_config.json");
      EditJson(folder + "/config.json", [=](Json& config) {
        for (const char* key : {"checkpoint_format", "format"}) config["quantization_config"][key] = version;
      });
    };
  };
  ExpectFaults({
      {"a zero point that may be 0",
       Edit(q + ".qzeros", [](const HostTensor& tensor) { return WithElement<uint32_t>(tensor, 0, 0x7777777f); }),
       "the zero point of output 0, group 0 is stored as 15"},
      {"one of another output",
       Edit(q + ".qzeros", [](const HostTensor& tensor) { return WithElement<uint32_t>(tensor, 1, 0xf7777777); }),
       "the zero point of output 15, group 0 is stored as 15"},
      {"zero points of another dtype",
       Edit(q + ".qzeros",
            [](HostTensor tensor) {
              tensor.dtype = DType::kF32;
              return tensor;
            }),
       "qzeros' is F32; it must be I32"},
      {"a version that is none", name_version("gptq_v3"), "checkpoint_format 'gptq_v3' is not supported"},
      {"two versions", EditConfig([](Json& config) { config["quantization_config"]["format"] = "gptq_v2"; }),
       "contradict each other"},
  });
}

TEST_F(InspectDamageTest, AnExportThatLostItsQuantizationConfigIsNoModelOfThatFormat) {
  MakeModel({.num_hidden_layers = 1});
  MakeBlocks({5, 32});
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "sound").ok());
  EditJson(At("sound/config.json"), [](Json& config) { config.erase("quantization_config"); });
  EXPECT_THAT(FaultsOf("sound"), Contains(HasSubstr("has no tensor 'model.layers.0.self_attn.q_proj.weight'")));
}

TEST_F(InspectDamageTest, BitsThatNoCodeUsesAreLookedAt) {
  // 28 inputs and outputs of 3 bits: 84 bits in 3 words of 32.
  MakeModel({.hidden_size = 28,
             .intermediate_size = 28,
             .num_hidden_layers = 2,
             .num_attention_heads = 2,
             .num_key_value_heads = 2});
  MakeBlocks({3, 28});
  ASSERT_TRUE(Export(ExportFormat::kCompressedTensors, "sound").ok());
  EXPECT_THAT(FaultsOf("sound"), IsEmpty());
  EditTensors(At("sound"), std::string(kQ) + ".weight_packed", [](Tensors& tensors) {
    HostTensor& packed = tensors.at(std::string(kQ) + ".weight_packed");
    packed = WithElement<uint32_t>(packed, 2, ValuesOf<uint32_t>(packed)[2] | 1u << 31);
  });
  EXPECT_THAT(FaultsOf("sound"),
              Contains(HasSubstr("weight_packed: the bits behind the last of 28 codes are not zero in 1 streams")));
}

TEST_F(InspectDamageTest, EveryDamagedGgufFileIsNamed) {
  MakeModel({.num_hidden_layers = 2});
  MakeBlocks({3, 32});
  ASSERT_TRUE(Export(ExportFormat::kGguf, "sound").ok());
  const auto edit = [](const std::function<void(std::string&)>& change) {
    return [=](const std::string& folder) {
      std::string text = TextIn(folder + "/model.gguf");
      change(text);
      Write(folder + "/model.gguf", text);
    };
  };
  // Another key of the same length, so that no offset changes.
  const auto rename = [&](const std::string& from) {
    return edit([=](std::string& text) {
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text[at + from.size() - 1] = '!';
    });
  };
  ExpectFaults({
      {"a truncated file", edit([](std::string& text) { text.resize(text.size() / 2); }), "model.gguf"},
      {"another magic", edit([](std::string& text) { text[0] = 'X'; }), "model.gguf"},
      {"another version", edit([](std::string& text) { text[4] = 9; }), "version"},
      {"more tensors than the file could have", edit([](std::string& text) { std::memset(&text[8], 0x7f, 8); }),
       "tensors"},
      {"no width", rename("llama.embedding_length"), "llama.embedding_length is missing"},
      {"no base of rotations", rename("llama.rope.freq_base"),
       "llama.rope.freq_base is missing: llama.cpp takes 10000"},
      {"no tokenizer", rename("tokenizer.ggml.model"), "tokenizer.ggml.model is missing"},
      {"no end of text", rename("tokenizer.ggml.eos_token_id"), "tokenizer.ggml.eos_token_id is missing"},
      {"a tensor under another name", rename("blk.1.ffn_up.weight"), "tensor blk.1.ffn_up.weight is missing"},
      {"a tensor that nobody knows", rename("blk.1.ffn_up.weight"),
       "tensors that the model does not use: blk.1.ffn_up.weigh!"},
      {"a scale that is no number", edit([](std::string& text) {
         const uint16_t nan = kHalfNan;  // the last tensor is a norm in fp32, the one before it blocks
         const size_t at = text.size() - 64 * 4 - 18;
         std::memcpy(&text[at], &nan, 2);
       }),
       "blk.1.attn_v.weight"},
  });
}

TEST_F(InspectDamageTest, OfAThousandFaultsAHundredAreListedAndTheRestCounted) {
  Inspection found;
  for (int i = 0; i < 1000; ++i) found.AddFault(absl::StrCat("fault ", i, "\nof many"));
  EXPECT_EQ(found.faults.size(), Inspection::kMostFaults);
  EXPECT_EQ(found.more_faults, 900);
  EXPECT_EQ(found.faults.front(), "fault 0 of many");
}

}  // namespace
}  // namespace lwq::qat
