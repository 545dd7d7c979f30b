// SPDX-License-Identifier: Apache-2.0
// What is looked at before an upload, what is uploaded, and under which names.
#include "client/transfer/upload_run.h"

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <future>
#include <map>

#include "client/base/exit_code.h"
#include "client/pipeline/preflight.h"
#include "client/transfer/check_weights.h"
#include "client/transfer/companion_files.h"
#include "client/transfer/export_folder.h"
#include "client/transfer/fetch_export.h"
#include "client/transfer/interruptible_store.h"
#include "client/transfer/naming_store.h"
#include "client/transfer/request_lines.h"
#include "client/transfer/sensitivity_file.h"
#include "client/transfer/task_file.h"
#include "client/transfer/text_file.h"
#include "common/artifact/file_tree.h"
#include "common/artifact/safetensors.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/json_text.h"
#include "reporting/sensitivity_results.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::StartsWith;

class UploadTest : public testing::Test {
 protected:
  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }

  void WriteText(const std::string& name, const std::string& text) { test::WriteFile(At(name), text); }

  void WriteModel(TinyModelOptions options = {}) {
    options.num_hidden_layers = 1;
    options.vocab_size = 32;
    ASSERT_TRUE(WriteTinyModel(At("model"), options).ok());
    WriteText("model/tokenizer.json",
              R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3}, "merges": ["a b"]}})");
  }

  // The model's tensors, changed and written again.
  void ChangeTensors(const std::function<void(std::map<std::string, HostTensor>&)>& change) {
    const std::string path = At("model/model.safetensors");
    std::map<std::string, HostTensor> tensors;
    {
      const SafetensorsFile file = *SafetensorsFile::Open(path);
      for (const auto& [name, entry] : file.header().tensors) {
        tensors[name] = *file.Get(name);
        tensors[name].bytes = Bytes::FromString(std::string(tensors[name].bytes.view()));
      }
    }
    change(tensors);
    test::WriteFile(path, *SerializeSafetensors(tensors, {}));
  }

  std::string ModelError(const std::string& directory) {
    return std::string(MessageOf(InspectModel(directory).status()));
  }
  std::string TextError(const std::string& path) {
    return std::string(MessageOf(InspectText("calib_dataset", path).status()));
  }

  std::string SensitivityError(const std::string& content, int64_t blocks = 2) {
    WriteText("scores.json", content);
    const auto scores = ReadSensitivityFile(At("scores.json"), "tiny", blocks);
    EXPECT_FALSE(scores.ok());
    EXPECT_EQ(std::string(MessageOf(scores.status())).find('\n'), std::string::npos) << "one line";
    return std::string(MessageOf(scores.status()));
  }

  test::TemporaryDirectory folder_;
};

TEST_F(UploadTest, ItemsOfATaskAreReadBeforeTheyAreUploaded) {
  WriteText("valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}\n");
  const auto files = InspectTaskFile("piqa", At("valid.jsonl"));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, ElementsAre(testing::Pair("items.jsonl", At("valid.jsonl")))) << "the user's name is left out";
  WriteText("apart.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n");
  const auto error = [&](const std::string& task, const std::string& name) {
    const Status status = InspectTaskFile(task, At(name)).status();
    EXPECT_FALSE(status.ok()) << name;
    return std::string(MessageOf(status));
  };
  EXPECT_EQ(error("piqa", "apart.jsonl"), "eval_tasks: piqa: " + At("apart.jsonl") + " line 1: label: is missing");
  WriteText("apart-labels.lst", "1\n");
  EXPECT_THAT(*InspectTaskFile("piqa", At("apart.jsonl")),
              ElementsAre(testing::Pair("items.jsonl", At("apart.jsonl")),
                          testing::Pair("labels.lst", At("apart-labels.lst"))));
  WriteText("apart-labels.lst", "1\n0\n");
  EXPECT_THAT(error("piqa", "apart.jsonl"), HasSubstr("has 2 labels for the 1 items"));
  EXPECT_EQ(error("piqa", "none.jsonl"), "eval_tasks: no such file: " + At("none.jsonl"));
  EXPECT_THAT(error("piqa", "."), HasSubstr("is not a file; give the .jsonl, .json or .parquet of piqa"));
  WriteText("empty.jsonl", "");
  EXPECT_EQ(error("piqa", "empty.jsonl"), "eval_tasks: " + At("empty.jsonl") + " is empty");
  WriteText("items.csv", "goal,sol1\n");
  EXPECT_THAT(error("piqa", "items.csv"), HasSubstr("is none of .jsonl, .json"));
  EXPECT_THAT(error("winogrande", "valid.jsonl"), HasSubstr("line 1: sentence: is missing"));
  EXPECT_EQ(MessageOf(InspectTaskFile("piqa", "piqa").status()),
            "eval_tasks: no such file: piqa; give the file of its items: piqa=FILE");
}

TEST_F(UploadTest, RequestsOfARunAreWrittenAsOneFileAndARunWithoutThemIsRefused) {
  std::unique_ptr<ObjectStore> objects = *OpenObjectStore("memory:");
  ArtifactStore store(objects.get());
  lwqat::v1::Run run;
  EXPECT_TRUE(absl::IsFailedPrecondition(FetchRequestLines(run, objects.get(), At("lines.jsonl"))));
  EXPECT_FALSE(fs::exists(At("lines.jsonl")));
  for (const char* lines : {"{\"a\":1}\n", "{\"b\":2}\n"}) {
    const ArtifactRef artifact = *UploadContents(store, {{"requests.jsonl", Bytes::FromString(lines)}});
    lwqat::v1::Task* task = run.add_tasks();
    task->set_kind("reduce_accuracy");
    lwqat::v1::ArtifactRef& output = (*task->mutable_outputs())["lines"];
    output.set_digest(artifact.digest.hex());
    output.set_size_bytes(artifact.size_bytes);
  }
  WriteText("lines.jsonl", "an older one");
  const Status fetched = FetchRequestLines(run, objects.get(), At("lines.jsonl"));
  ASSERT_TRUE(fetched.ok()) << fetched;
  EXPECT_EQ(test::ReadFileOrEmpty(At("lines.jsonl")), "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_TRUE(absl::IsInvalidArgument(CheckLinesPlace(At("no/such/folder/f"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckLinesPlace(folder_.path())));
  EXPECT_TRUE(CheckLinesPlace(At("new.jsonl")).ok());
}

TEST_F(UploadTest, OnlyTheModelsOwnFilesAreTaken) {
  WriteModel();
  WriteText("model/generation_config.json", "{}");
  WriteText("model/tokenizer_config.json", "{}");
  WriteText("model/README.md", "read me");
  WriteText("model/consolidated.safetensors", "not in use");
  WriteText("model/pytorch_model.bin", "not in use");
  const auto model = InspectModel(At("model"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->files, ElementsAre(Key("config.json"), Key("generation_config.json"), Key("model.safetensors")));
  EXPECT_THAT(model->tokenizer, ElementsAre(Key("tokenizer.json"), Key("tokenizer_config.json")));
}

TEST_F(UploadTest, WhatElseBelongsToTheModelGoesAlongIntoExports) {
  WriteModel();
  for (const char* name :
       {"chat_template.jinja", "chat_template.json", "LICENSE", "NOTICE.txt", "README.md", "USE_POLICY.md",
        "preprocessor_config.json", "modeling_custom.py", "additional_chat_templates/tool_use.jinja"}) {
    fs::create_directories(fs::path(At("model") + "/" + name).parent_path());
    WriteText(std::string("model/") + name, "x");
  }
  const auto model = InspectModel(At("model"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->companions,
              ElementsAre(Key("LICENSE"), Key("NOTICE.txt"), Key("README.md"), Key("USE_POLICY.md"),
                          Key("additional_chat_templates/tool_use.jinja"), Key("chat_template.jinja"),
                          Key("chat_template.json"), Key("modeling_custom.py"), Key("preprocessor_config.json")));
  EXPECT_THAT(model->notes, testing::IsEmpty());
}

TEST_F(UploadTest, WeightsAdaptersCachesAndHiddenFilesStayBehind) {
  WriteModel();
  for (const char* name :
       {"consolidated.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth",
        "model.Q4_K_M.gguf", "model.onnx", "tf_model.h5", "flax_model.msgpack", "optimizer.pt", "adapter_config.json",
        ".gitattributes", ".cache/huggingface/x.metadata", "onnx/config.json", "original/params.json",
        "__pycache__/a.py", "quantize_config.json.orig~", "layer_statistics.json", "sensitivity_results_tiny.json"}) {
    fs::create_directories(fs::path(At("model") + "/" + name).parent_path());
    WriteText(std::string("model/") + name, "x");
  }
  const auto model = InspectModel(At("model"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->companions, testing::IsEmpty());
  EXPECT_THAT(model->notes, testing::IsEmpty()) << "nobody expects these in an export";
}

TEST_F(UploadTest, TheLinksOfAHubCacheAreFollowedAndOthersOutOfTheFolderAreNot) {
  const fs::path cache = At("models--org--tiny");
  const fs::path snapshot = cache / "snapshots" / "abc";
  fs::create_directories(snapshot / "additional_chat_templates");
  fs::create_directories(cache / "blobs");
  test::WriteFile((cache / "blobs" / "1234").string(), "template");
  WriteText("secret", "not the model's");
  fs::create_symlink("../../blobs/1234", snapshot / "chat_template.jinja");
  fs::create_symlink("../../../blobs/1234", snapshot / "additional_chat_templates" / "rag.jinja");
  fs::create_symlink("chat_template.jinja", snapshot / "same.jinja");
  fs::create_symlink(At("secret"), snapshot / "notes.txt");
  fs::create_symlink("../../blobs/absent", snapshot / "LICENSE");
  const CompanionFiles found = FindCompanionFiles(snapshot.string(), {});
  EXPECT_THAT(found.files,
              ElementsAre(Key("additional_chat_templates/rag.jinja"), Key("chat_template.jinja"), Key("same.jinja")));
  EXPECT_THAT(found.notes, ElementsAre("notes.txt is a link to outside of the model's folder and will not be in the "
                                       "export; copy what belongs to the model there"));
}

TEST_F(UploadTest, SmallFilesBeyondTheLimitStayBehindTheLargestFirstAndAreNamed) {
  fs::create_directory(At("model"));
  WriteText("model/LICENSE", "1234");
  WriteText("model/big.txt", std::string(100, 'x'));
  WriteText("model/bigger.txt", std::string(200, 'x'));
  const CompanionFiles found = FindCompanionFiles(At("model"), {}, 104);
  EXPECT_THAT(found.files, ElementsAre(Key("LICENSE"), Key("big.txt")));
  EXPECT_THAT(found.notes, ElementsAre("bigger.txt will not be in the export: of files that are not weights 104 B are "
                                       "taken along"));
}

TEST_F(UploadTest, AFileWhoseNameNoTreeHoldsDoesNotFailTheRun) {
  fs::create_directory(At("model"));
  WriteText("model/a\\b.txt", "x");
  WriteText("model/caf\xe9.txt", "x");
  const CompanionFiles found = FindCompanionFiles(At("model"), {});
  EXPECT_THAT(found.files, testing::IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(HasSubstr("its name is no plain text")));
}

TEST_F(UploadTest, OnlyARunThatExportsUploadsTheSmallFiles) {
  WriteModel();
  WriteText("model/chat_template.jinja", "x");
  RunRequest request;
  request.model_path = At("model");
  request.spec.mutable_recipe()->set_method("rtn");
  NamingStore names;
  UploadedTrees uploaded;
  EXPECT_TRUE(UploadRun(*CheckRunInputs(request), &names, nullptr, &uploaded)->model().has_companions());
  for (const char* method : {"none", "sensitivity"}) {
    request.spec.mutable_recipe()->set_method(method);
    EXPECT_FALSE(UploadRun(*CheckRunInputs(request), &names, nullptr, &uploaded)->model().has_companions()) << method;
  }
  request.spec.mutable_recipe()->set_method("rtn");
  request.spec.mutable_recipe()->set_export_format("none");
  EXPECT_FALSE(UploadRun(*CheckRunInputs(request), &names, nullptr, &uploaded)->model().has_companions());
}

TEST_F(UploadTest, ARunIsNamedWithItsTrueSizesWithoutReadingWhatItNames) {
  WriteModel();
  WriteText("text.txt", "some text");
  RunRequest request;
  request.model_path = At("model");
  request.calib_dataset = At("text.txt");
  request.eval_texts = {{"text", At("text.txt")}};
  const CheckedRun checked = *CheckRunInputs(request);
  NamingStore names;
  UploadedTrees uploaded;
  const lwqat::v1::RunSpec hashed = *UploadRun(checked, &names, nullptr, &uploaded);
  const auto bytes = fs::file_size(At("model/model.safetensors"));
  WriteText("model/model.safetensors", "");
  fs::resize_file(At("model/model.safetensors"), bytes);  // nothing of it is left
  const auto named = NameRun(checked);
  ASSERT_TRUE(named.ok()) << named.status();
  WriteText("text.txt", "some more");
  EXPECT_EQ(NameRun(checked)->SerializeAsString(), named->SerializeAsString()) << "by paths, not by what is there";
  EXPECT_EQ(named->model().files().size_bytes(), hashed.model().files().size_bytes());
  EXPECT_EQ(named->model().tokenizer().size_bytes(), hashed.model().tokenizer().size_bytes());
  EXPECT_EQ(named->eval_texts(0).files().size_bytes(), hashed.eval_texts(0).files().size_bytes());
  EXPECT_EQ(named->model().files().digest().size(), 64u);
}

TEST_F(UploadTest, AShardedModelIsItsIndexAndTheShardsItNames) {
  TinyModelOptions options;
  options.shards = 2;
  WriteModel(options);
  WriteText("model/model-00009-of-00009.safetensors", "not in the index");
  const auto model = InspectModel(At("model"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->files, ElementsAre(Key("config.json"), Key("model-00001-of-00002.safetensors"),
                                        Key("model-00002-of-00002.safetensors"), Key("model.safetensors.index.json")));
}

TEST_F(UploadTest, ModelsThatCannotBeUsedAreRefusedByName) {
  EXPECT_EQ(ModelError(At("absent")), "model: no such directory: " + At("absent"));
  WriteText("file", "x");
  EXPECT_EQ(ModelError(At("file")), "model: " + At("file") + " is a file; give the directory that holds config.json");
  fs::create_directory(At("empty"));
  EXPECT_EQ(ModelError(At("empty")),
            "model: " + At("empty") + " has no config.json; give a directory in Hugging Face layout");
  WriteText("empty/config.json", "");
  EXPECT_EQ(ModelError(At("empty")), "model: " + At("empty") + ": config.json is empty");
  WriteText("empty/config.json", "{");
  EXPECT_THAT(ModelError(At("empty")), StartsWith("model: " + At("empty") + ": "));
}

TEST_F(UploadTest, AnUnsupportedArchitectureIsRefusedBeforeUpload) {
  TinyModelOptions options;
  options.config_overrides = {{"architectures", {"GPTNeoXForCausalLM"}}};
  WriteModel(options);
  EXPECT_THAT(ModelError(At("model")),
              testing::AllOf(StartsWith("model: " + At("model") + ": "), HasSubstr("GPTNeoXForCausalLM")));
}

TEST_F(UploadTest, AModelWithoutTokenizerOrTensorsIsRefused) {
  WriteModel();
  fs::remove(At("model/tokenizer.json"));
  EXPECT_EQ(ModelError(At("model")),
            "model: " + At("model") + " has no tokenizer.json or tokenizer.model; copy the model's tokenizer there");
  fs::remove(At("model/model.safetensors"));
  EXPECT_THAT(ModelError(At("model")), StartsWith("model: " + At("model") + ": "));
}

TEST_F(UploadTest, ATokenizerThatLlamaCppCannotTakeIsRefusedBeforeARunThatWillExportForIt) {
  WriteModel();
  RunRequest request;
  request.model_path = At("model");
  request.spec.mutable_recipe()->set_method("rtn");
  EXPECT_TRUE(CheckRunInputs(request).ok());
  const std::string refusal = "llama.cpp cannot take the tokenizer";
  request.spec.mutable_recipe()->set_export_format("gguf");
  EXPECT_THAT(CheckRunInputs(request).status().message(), HasSubstr(refusal));
  request.spec.mutable_recipe()->clear_export_format();
  request.spec.mutable_recipe()->set_serve("llama.cpp");
  EXPECT_THAT(CheckRunInputs(request).status().message(), HasSubstr(refusal)) << "its format will be one for llama.cpp";
  request.spec.mutable_recipe()->set_serve("vllm, transformers");
  EXPECT_TRUE(CheckRunInputs(request).ok());
}

TEST_F(UploadTest, AnIndexThatLeadsOutOfTheDirectoryIsRefused) {
  TinyModelOptions options;
  options.shards = 2;
  WriteModel(options);
  std::string index = test::ReadFileOrEmpty(At("model/model.safetensors.index.json"));
  const size_t at = index.find("model-00002-of-00002");
  ASSERT_NE(at, std::string::npos);
  index.insert(at, "../model/");
  WriteText("model/model.safetensors.index.json", index);
  EXPECT_FALSE(InspectModel(At("model")).ok());
}

TEST_F(UploadTest, TextsThatCannotBeUsedAreRefused) {
  EXPECT_EQ(TextError(At("absent.txt")), "calib_dataset: no such file: " + At("absent.txt"));
  EXPECT_EQ(TextError(folder_.path()),
            "calib_dataset: " + folder_.path() + " is not a file; give plain text, .jsonl or .json.gz");
  WriteText("empty.txt", "");
  EXPECT_EQ(TextError(At("empty.txt")), "calib_dataset: " + At("empty.txt") + " is empty");
  WriteText("binary.txt", std::string("a\0b", 3));
  EXPECT_EQ(TextError(At("binary.txt")),
            "calib_dataset: " + At("binary.txt") + " is not a text; give plain text, .jsonl or .json.gz");
  WriteText("plain.json.gz", "{}");
  EXPECT_EQ(TextError(At("plain.json.gz")),
            "calib_dataset: " + At("plain.json.gz") + " is not a gzip file although its name ends in .gz");
  WriteText("text.gz", "\x1f\x8b");
  EXPECT_EQ(TextError(At("text.gz")), "calib_dataset: " + At("text.gz") + " is truncated: its gzip data end early");
  for (const char* line : {"words", "[1]", "{\"txt\": \"a\"}", "{\"text\": 3}"}) {
    WriteText("bad.jsonl", std::string("{\"text\": \"a\"}\n") + line);
    EXPECT_THAT(TextError(At("bad.jsonl")), StartsWith("calib_dataset: " + At("bad.jsonl") + " line 2")) << line;
  }
  WriteText("bad.jsonl", "\n\n");
  EXPECT_EQ(TextError(At("bad.jsonl")), "calib_dataset: " + At("bad.jsonl") + " holds no document");
  WriteText("latin1.txt", "caf\xE9!");
  EXPECT_EQ(TextError(At("latin1.txt")),
            "calib_dataset: " + At("latin1.txt") + " is not UTF-8 at byte 3; convert it first");
}

TEST_F(UploadTest, ATextIsNamedByItsKindNotByItsFile) {
  WriteText("a.txt", "words");
  WriteText("b.jsonl", "{\"text\": \"words\"}\n");
  // gzip -9n of {"text": "words"}
  WriteText("c.JSON.GZ", std::string("\x1f"
                                     "\x8b"
                                     "\x08"
                                     "\0"
                                     "\0"
                                     "\0"
                                     "\0"
                                     "\0"
                                     "\x02"
                                     "\xff"
                                     "\xab"
                                     "V*I\xad"
                                     "(Q\xb2"
                                     "RP*\xcf"
                                     "/J)V\xaa"
                                     "\xe5"
                                     "\x02"
                                     "\0"
                                     "P`\x0f"
                                     "d\x12"
                                     "\0"
                                     "\0"
                                     "\0"
                                     "",
                                     38));
  WriteText("d.ndjson", "{\"text\": \"words\"}\n");
  WriteText("e.json", "[\"words\"]");
  EXPECT_THAT(*InspectText("t", At("d.ndjson")), ElementsAre(Key("text.jsonl")));
  EXPECT_THAT(*InspectText("t", At("e.json")), ElementsAre(Key("text.json")));
  EXPECT_THAT(*InspectText("t", At("a.txt")), ElementsAre(Key("text.txt")));
  EXPECT_THAT(*InspectText("t", At("b.jsonl")), ElementsAre(Key("text.jsonl")));
  EXPECT_THAT(*InspectText("t", At("c.JSON.GZ")), ElementsAre(Key("text.json.gz")));
}

TEST_F(UploadTest, ASensitivityFileOfTheSeedsShapeGivesItsScores) {
  WriteText("scores.json", R"({
    "model": {"name": "meta-llama/Llama-2-7b-hf", "num_layers": 3, "hidden_size": 4096, "num_attention_heads": 32},
    "dataset": {"name": "wikitext", "config": "wikitext-2-raw-v1", "num_samples": 128, "max_length": 512},
    "method": "fisher", "sensitivity_scores": [0.5, 12.25, 3], "ranked_layers": [1, 2, 0],
    "statistics": {"mean": 5.25, "std": 5.05, "min": 0.5, "max": 12.25}, "gpu_info": {"device": "cuda"}})");
  const auto scores = ReadSensitivityFile(At("scores.json"), "Llama", 3);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_THAT(*scores, ElementsAre(0.5, 12.25, 3));
  WriteText("scores.json", R"({"sensitivity_scores": [0, 1]})");
  EXPECT_TRUE(ReadSensitivityFile(At("scores.json"), "tiny", 2).ok()) << "the rest may be missing";
}

TEST_F(UploadTest, WhatARunMeasuredIsReadBackAsItsScores) {
  lwqat::v1::Run run;
  auto* measured = run.add_sensitivity();
  for (const double score : {0.1, 1e-300, 313.9089561160654}) measured->add_scores(score);
  WriteText("scores.json", reporting::PrettyJson(*reporting::SensitivityResults(run)));
  const auto scores = ReadSensitivityFile(At("scores.json"), "tiny", 3);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_THAT(*scores, ElementsAre(0.1, 1e-300, 313.9089561160654)) << "to the bit";
}

TEST_F(UploadTest, SensitivityFilesThatCannotBeUsedAreRefusedWithOneLine) {
  const std::string prefix = "sensitivity_file: " + At("scores.json") + ": ";
  const std::string no_list = prefix + "expected a JSON object whose \"sensitivity_scores\" lists a number per block";
  EXPECT_EQ(MessageOf(ReadSensitivityFile(At("absent.json"), "tiny", 2).status()),
            "sensitivity_file: " + At("absent.json") + ": no such file");
  EXPECT_EQ(MessageOf(ReadSensitivityFile(folder_.path(), "tiny", 2).status()),
            "sensitivity_file: " + folder_.path() + ": it is not a file");
  EXPECT_EQ(SensitivityError(""), prefix + "it is empty");
  EXPECT_THAT(SensitivityError("{\"sensitivity_scores\": [1, "), StartsWith(prefix + "file: not valid JSON: "));
  EXPECT_THAT(SensitivityError("{\n\"sensitivity_scores\": [NaN, 1]}"), StartsWith(prefix + "file: not valid JSON: "));
  EXPECT_THAT(SensitivityError("{\"sensitivity_scores\": [1e999, 1]}"), StartsWith(prefix + "file: not valid JSON: "));
  EXPECT_EQ(SensitivityError("{\"sensitivity_scores\": [1], \"sensitivity_scores\": [2]}"),
            prefix + "file: the key 'sensitivity_scores' appears twice in one object");
  for (const char* content : {"[1, 2]", "{}", "{\"scores\": [1, 2]}", "{\"sensitivity_scores\": {\"0\": 1}}",
                              "{\"sensitivity_scores\": []}", "3"}) {
    EXPECT_EQ(SensitivityError(content), no_list) << content;
  }
  EXPECT_EQ(SensitivityError("{\"sensitivity_scores\": [1, -0.5]}"),
            prefix + "the score of block 1 is -0.5, must be a finite number of at least 0");
  EXPECT_EQ(SensitivityError("{\"sensitivity_scores\": [null, 1]}"),
            prefix + "the score of block 0 is null, must be a finite number of at least 0");
  EXPECT_EQ(SensitivityError("{\"sensitivity_scores\": [1, \"2\"]}"),
            prefix + "the score of block 1 is \"2\", must be a finite number of at least 0");
  EXPECT_EQ(SensitivityError("{\"sensitivity_scores\": [1, 2, 3]}"),
            prefix + "it has 3 scores, but model tiny has 2 blocks; give a file measured on this model");
  EXPECT_EQ(SensitivityError("{\"model\": {\"num_layers\": 32}, \"sensitivity_scores\": [1, 2]}"),
            prefix + "it lists 2 scores, but its model.num_layers is 32; give the whole file");
  EXPECT_EQ(SensitivityError(std::string((16 << 20) + 1, ' ')),
            prefix + "it is larger than 16 MiB: it cannot be a list of scores");
}

TEST_F(UploadTest, ScoresOfAnotherModelAreRefusedBeforeAnythingIsUploaded) {
  WriteModel();
  WriteText("scores.json", "{\"sensitivity_scores\": [1, 2]}");
  RunRequest request;
  request.origin = "run.yaml";
  request.model_path = At("model");
  request.model_name = "model";
  request.sensitivity_file = At("scores.json");
  const auto checked = CheckRunInputs(request);
  EXPECT_EQ(MessageOf(checked.status()), "run.yaml: sensitivity_file: " + At("scores.json") +
                                             ": it has 2 scores, but model model has 1 blocks; give a file measured on "
                                             "this model");
  EXPECT_EQ(ExitCodeOf(checked.status()), ExitCode::kUsage);
  WriteText("scores.json", "{\"sensitivity_scores\": [2]}");
  EXPECT_THAT(CheckRunInputs(request)->request.spec.sensitivity_scores(), ElementsAre(2));
}

TEST_F(UploadTest, AModelThatIsOnlyAConfigIsEnoughForAPlan) {
  WriteModel();
  fs::remove(At("model/model.safetensors"));
  fs::remove(At("model/tokenizer.json"));
  RunRequest request;
  request.model_path = At("model");
  request.config_only = true;
  ASSERT_TRUE(CompleteRunRequest(&request).ok()) << "a calibration text may be missing";
  const auto checked = CheckRunInputs(request);
  ASSERT_TRUE(checked.ok()) << checked.status();
  NamingStore names;
  UploadedTrees uploaded;
  const auto spec = UploadRun(*checked, &names, nullptr, &uploaded);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->model().config_json(), test::ReadFileOrEmpty(At("model/config.json")));
  for (const auto& ref : {spec->model().files(), spec->model().tokenizer(), spec->calibration().files()})
    EXPECT_EQ(ref.digest().size(), 64u) << "a coordinator wants every input named";
  request.config_only = false;
  EXPECT_FALSE(CheckRunInputs(request).ok());
  request.config_only = true;
  WriteText("model/config.json", "{}");
  EXPECT_FALSE(CheckRunInputs(request).ok()) << "config.json itself is checked all the same";
}

TEST_F(UploadTest, AReportIsReplacedWholeAndLeavesNothingElse) {
  ASSERT_TRUE(WriteReport(At("new/a.json"), "old").ok());
  ASSERT_TRUE(WriteReport(At("new/a.json"), "new").ok());
  EXPECT_EQ(test::ReadFileOrEmpty(At("new/a.json")), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(At("new")), fs::directory_iterator()), 1);
  WriteText("file", "x");
  EXPECT_FALSE(WriteReport(At("file/a.json"), "text").ok());
}

TEST_F(UploadTest, AReportGoesThroughPipesAndLinksInsteadOfReplacingThem) {
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  auto read = std::async(std::launch::async, [this] { return test::ReadFileOrEmpty(At("pipe")); });
  ASSERT_TRUE(WriteReport(At("pipe"), "text").ok());
  EXPECT_EQ(read.get(), "text");
  EXPECT_TRUE(fs::is_fifo(At("pipe")));
  WriteText("file", "an older, longer text");
  fs::create_symlink("file", At("link"));
  ASSERT_TRUE(WriteReport(At("link"), "text").ok());
  EXPECT_EQ(test::ReadFileOrEmpty(At("file")), "text");
  EXPECT_TRUE(fs::is_symlink(At("link")));
}

TEST_F(UploadTest, UploadNamesEveryInputAndNamingAloneGivesTheSameNames) {
  WriteModel();
  WriteText("calib.txt", "words");
  WriteText("copy.txt", "words");
  RunRequest request;
  request.model_path = At("model");
  request.calib_dataset = At("calib.txt");
  request.eval_texts = {{"mine", At("copy.txt")}};
  request.spec.mutable_recipe()->set_wbits(3);
  ASSERT_TRUE(CompleteRunRequest(&request).ok());
  const auto checked = CheckRunInputs(request);
  ASSERT_TRUE(checked.ok()) << checked.status();
  const auto store = *OpenObjectStore("memory:");
  UploadedTrees uploaded;
  const auto spec = UploadRun(*checked, store.get(), nullptr, &uploaded);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->recipe().wbits(), 3);
  EXPECT_EQ(spec->model().name(), "model");
  EXPECT_EQ(spec->model().config_json(), test::ReadFileOrEmpty(At("model/config.json")));
  EXPECT_EQ(spec->calibration().name(), "calib");
  EXPECT_EQ(spec->eval_texts(0).name(), "mine");
  EXPECT_EQ(spec->calibration().files().digest(), spec->eval_texts(0).files().digest()) << "equal bytes have one name";
  ArtifactStore artifacts(store.get());
  for (const auto& ref : {spec->model().files(), spec->model().tokenizer(), spec->calibration().files()}) {
    EXPECT_TRUE(*artifacts.IsComplete(ArtifactRef{*Digest::FromHex(ref.digest()), ref.size_bytes()}));
  }
  NamingStore names;
  UploadedTrees named;
  EXPECT_EQ(UploadRun(*checked, &names, nullptr, &named)->SerializeAsString(), spec->SerializeAsString());
}

TEST_F(UploadTest, TheRunsOfAnAblationHaveTheirModelReadOnce) {
  WriteModel();
  WriteText("calib.txt", "words");
  RunRequest request;
  request.model_path = At("model");
  request.calib_dataset = At("calib.txt");
  ASSERT_TRUE(CompleteRunRequest(&request).ok());
  CheckedRun checked = *CheckRunInputs(request);
  const auto store = *OpenObjectStore("memory:");
  UploadedTrees uploaded;
  const auto first = UploadRun(checked, store.get(), nullptr, &uploaded);
  ASSERT_TRUE(first.ok()) << first.status();
  fs::remove_all(At("model"));
  checked.request.spec.mutable_recipe()->set_wbits(3);
  const auto second = UploadRun(checked, store.get(), nullptr, &uploaded);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->model().SerializeAsString(), first->model().SerializeAsString());
  EXPECT_EQ(second->recipe().wbits(), 3);
}

TEST_F(UploadTest, AWeightThatIsNoNumberIsRefusedBeforeTheUpload) {
  WriteModel();
  WriteText("calib.txt", "words");
  RunRequest request;
  request.origin = "run.yaml";
  request.model_path = At("model");
  request.calib_dataset = At("calib.txt");
  ASSERT_TRUE(CompleteRunRequest(&request).ok());
  Interrupt interrupt;
  EXPECT_TRUE(CheckWeights({*CheckRunInputs(request)}, interrupt).ok());
  ChangeTensors([](auto& tensors) {
    HostTensor& norm = tensors.at("model.norm.weight");
    norm.bytes = Bytes::FromString(std::string(norm.bytes.size() - 2, '\0') + "\x01\x7e");
  });
  const Status status = CheckWeights({*CheckRunInputs(request)}, interrupt);
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kUsage);
  EXPECT_EQ(MessageOf(status), "run.yaml: model: " + At("model") +
                                   ": tensor 'model.norm.weight' is NaN at [63]: the weights are damaged or were saved "
                                   "from a diverged training");
  interrupt.Raise(InterruptedByUser());
  EXPECT_EQ(ExitCodeOf(CheckWeights({*CheckRunInputs(request)}, interrupt)), ExitCode::kInterrupted);
}

TEST_F(UploadTest, AHeadOfItsOwnIsToldToTheCoordinator) {
  WriteModel();
  const ModelFiles tied = *InspectModel(At("model"));
  EXPECT_TRUE(tied.config.tie_word_embeddings);
  ChangeTensors([](auto& tensors) { tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight"); });
  EXPECT_TRUE(InspectModel(At("model"))->config.tie_word_embeddings) << "an equal one changes nothing";
  ChangeTensors([](auto& tensors) {
    HostTensor& head = tensors.at("lm_head.weight");
    head.bytes = Bytes::FromString(std::string(head.bytes.size(), '\0'));
  });
  const ModelFiles untied = *InspectModel(At("model"));
  EXPECT_FALSE(untied.config.tie_word_embeddings);
  EXPECT_FALSE(LlamaConfig::Parse(untied.config_json)->tie_word_embeddings);
}

TEST_F(UploadTest, AnInputsErrorNamesTheRunFile) {
  RunRequest request;
  request.origin = "run.yaml";
  request.model_path = At("absent");
  EXPECT_EQ(MessageOf(CheckRunInputs(request).status()), "run.yaml: model: no such directory: " + At("absent"));
}

TEST_F(UploadTest, AFolderStoreOfAnotherMachineIsNotCreatedHere) {
  const std::string uri = "file://" + At("objects");
  EXPECT_EQ(
      MessageOf(OpenServerObjects(uri, "", "node0:7070").status()),
      "the object store " + uri +
          " of the coordinator at node0:7070 is not on this machine; give --objects, the same store as seen from here");
  EXPECT_FALSE(fs::exists(At("objects")));
  fs::create_directory(At("objects"));
  EXPECT_TRUE(OpenServerObjects(uri, "", "node0:7070").ok());
  EXPECT_TRUE(OpenServerObjects("file:///absent", "memory:", "node0:7070").ok()) << "--objects wins";
}

TEST_F(UploadTest, AnInterruptStopsAnUpload) {
  WriteText("a.txt", "words");
  Interrupt interrupt;
  InterruptibleStore store(*OpenObjectStore("memory:"), &interrupt);
  ArtifactStore artifacts(&store);
  ASSERT_TRUE(UploadFiles(artifacts, {{"text.txt", At("a.txt")}}, nullptr).ok());
  interrupt.Raise(InterruptedByUser());
  EXPECT_EQ(ExitCodeOf(UploadFiles(artifacts, {{"text.txt", At("a.txt")}}, nullptr).status()), ExitCode::kInterrupted);
}

TEST(NamingStore, KeepsNamesAndSizesOnly) {
  NamingStore store;
  const std::string text = "abc";
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  ASSERT_TRUE(store.Put("a/b", bytes, {}).ok());
  EXPECT_EQ(store.Head("a/b")->size_bytes, 3);
  EXPECT_TRUE(absl::IsAlreadyExists(store.Put("a/b", bytes, {.if_absent = true})));
  EXPECT_TRUE(absl::IsUnimplemented(store.Get("a/b").status()));
  EXPECT_TRUE(absl::IsNotFound(store.Head("a/c").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store.Put("../a", bytes, {})));
  auto upload = store.StartUpload("a/u", {});
  ASSERT_TRUE((*upload)->Write(bytes).ok());
  EXPECT_FALSE(store.Head("a/u").ok());
  ASSERT_TRUE((*upload)->Commit().ok());
  EXPECT_EQ(store.List("a/", "", 1)->objects.size(), 1u);
  EXPECT_TRUE(store.List("a/", "", 1)->truncated);
  ASSERT_TRUE(store.Delete("a/b").ok());
  EXPECT_FALSE(store.Head("a/b").ok());
}

TEST(ExportFolder, IsASafeName) {
  EXPECT_EQ(FolderNameOf("my first run"), "my-first-run");
  EXPECT_EQ(FolderNameOf("../../etc"), "run..-..-etc");
  EXPECT_EQ(FolderNameOf(""), "run");
  EXPECT_EQ(FolderNameOf("-rf"), "run-rf");
}

TEST(ExportFolder, OfNamesBeyondAsciiIsTheirOwn) {
  EXPECT_EQ(FolderNameOf("прогон"), "прогон");
  EXPECT_EQ(FolderNameOf("実行 2"), "実行-2");
  EXPECT_NE(FolderNameOf("é"), FolderNameOf("è"));
}

}  // namespace
}  // namespace lwq::client
