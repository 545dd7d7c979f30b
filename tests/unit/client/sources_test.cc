// SPDX-License-Identifier: Apache-2.0
// Models and texts that are elsewhere: which files come, from where, and what is said where they cannot.
#include "client/source/sources.h"

#include <filesystem>
#include <map>
#include <string>

#include "client/run_file/read_run_file.h"
#include "client/run_file/write_run_file.h"
#include "client/transfer/upload_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/files/parquet.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fake_hub.h"
#include "tests/testing/fake_s3.h"
#include "tests/testing/process.h"
#include "tests/unit/client/verb_test.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr char kBpe[] = R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, " ": 3}, "merges": ["a b"]}})";

class SourcesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    hub_ = new test::FakeHub();
    s3_ = new test::FakeS3();
  }
  static void TearDownTestSuite() {
    delete hub_;
    delete s3_;
    hub_ = nullptr;
    s3_ = nullptr;
  }

  void SetUp() override {
    name_ = testing::UnitTest::GetInstance()->current_test_info()->name();
    environment_ = {{"HF_ENDPOINT", hub_->endpoint()},
                    {"HF_HOME", At("hf")},
                    {"LWQ_CACHE_DIR", At("cache")},
                    {"AWS_ACCESS_KEY_ID", "AKFAKE"},
                    {"AWS_SECRET_ACCESS_KEY", "SKFAKE"}};
    context_.environment = [this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? "" : found->second;
    };
    context_.retry.backoff_initial = absl::ZeroDuration();
  }

  std::string At(const std::string& name) const { return folder_.path() + "/" + name; }
  void Write(const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(At(path)).parent_path());
    test::WriteFile(At(path), text);
  }

  // A model of one block in the folder "model".
  void WriteModel(TinyModelOptions options = {}) {
    options.num_hidden_layers = 1;
    options.vocab_size = 32;
    ASSERT_TRUE(WriteTinyModel(At("model"), options).ok());
    Write("model/tokenizer.json", kBpe);
  }
  std::string CommitModel(Json more = Json::object()) {
    return hub_->Commit("org/" + name_, At("model"), std::move(more));
  }
  std::string HubUriOfModel() const { return "hf://org/" + name_; }

  // Puts the folder's files below the prefix.
  void PutFolder(const std::string& folder) {
    const auto store = s3_->Open(name_);
    for (const auto& entry : fs::recursive_directory_iterator(At(folder))) {
      if (!entry.is_regular_file()) continue;
      const std::string key = absl::StrCat(folder, "/", entry.path().lexically_relative(At(folder)).generic_string());
      ASSERT_TRUE(store->Put(key, test::AsBytes(test::ReadFileOrEmpty(entry.path().string())), {}).ok());
    }
  }
  std::string S3Uri(const std::string& key) const { return s3_->Uri(name_ + "/" + key); }

  static std::vector<std::string> NamesIn(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_directory()) names.push_back(entry.path().lexically_relative(folder).generic_string());
    }
    return names;
  }

  std::string ModelSaid(const std::string& path) {
    Sources sources(context_);
    const Status status = sources.Model("model", path, ModelPart::kWhole).status();
    EXPECT_EQ(MessageOf(status).find('\n'), std::string::npos) << "one line";
    return std::string(MessageOf(status));
  }
  std::string TextSaid(const std::string& path, TextUse use = TextUse::kCalibration) {
    Sources sources(context_);
    return std::string(MessageOf(sources.Text("calib_dataset", path, use).status()));
  }

  static test::FakeHub* hub_;
  static test::FakeS3* s3_;
  test::TemporaryDirectory folder_;
  std::string name_;
  std::map<std::string, std::string> environment_;
  SourceContext context_;
};
test::FakeHub* SourcesTest::hub_ = nullptr;
test::FakeS3* SourcesTest::s3_ = nullptr;

TEST_F(SourcesTest, OfAModelComeTheFilesThatAreReadAndWhatGoesAlong) {
  WriteModel();
  for (const char* name : {"pytorch_model.bin", "consolidated.safetensors", "model.gguf", "original/params.json",
                           "eval.py", "training_args.bin"}) {
    Write(absl::StrCat("model/", name), "not wanted");
  }
  Write("model/LICENSE", "free");
  Write("model/README.md", "card");
  Write("model/chat_template.jinja", "{{ messages }}");
  Write("model/generation_config.json", "{}");
  CommitModel();
  Sources sources(context_);
  const auto folder = sources.Model("model", HubUriOfModel(), ModelPart::kWhole);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(NamesIn(*folder),
              UnorderedElementsAre("config.json", "generation_config.json", "tokenizer.json", "LICENSE", "README.md",
                                   "chat_template.jinja", "model.safetensors"));
  EXPECT_TRUE(InspectModel(*folder).ok()) << InspectModel(*folder).status();
  EXPECT_EQ(InspectModel(*folder)->companions.size(), 3U) << "an export takes them along, out of a Hub cache, too";
}

TEST_F(SourcesTest, OfAShardedModelComesWhatItsIndexLists) {
  TinyModelOptions options;
  options.shards = 2;
  WriteModel(options);
  Write("model/model-00003-of-00003.safetensors", "not in the index");
  CommitModel();
  Sources sources(context_);
  const auto folder = sources.Model("model", HubUriOfModel(), ModelPart::kWhole);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(NamesIn(*folder),
              UnorderedElementsAre("config.json", "tokenizer.json", "model.safetensors.index.json",
                                   "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
  fs::remove(At("model/model-00002-of-00002.safetensors"));
  CommitModel();
  EXPECT_THAT(ModelSaid(HubUriOfModel()), HasSubstr("lists model-00002-of-00002.safetensors, which is not there"));
  Write("model/model.safetensors.index.json", R"({"weight_map": {"a": "../../x.safetensors"}})");
  CommitModel();
  EXPECT_THAT(ModelSaid(HubUriOfModel()), HasSubstr("is not the name of a safetensors file beside it"));
}

TEST_F(SourcesTest, AModelInOtherFormatsOnlyIsRefusedByTheirName) {
  Write("model/config.json", "{}");
  Write("model/pytorch_model.bin", "pickle");
  CommitModel();
  EXPECT_THAT(ModelSaid(HubUriOfModel()), AllOf(HasSubstr("only pytorch_model.bin"), HasSubstr("safetensors")));
  fs::remove(At("model/config.json"));
  CommitModel();
  EXPECT_THAT(ModelSaid(HubUriOfModel()), HasSubstr("has no config.json"));
}

TEST_F(SourcesTest, AnUnsupportedArchitectureIsRefusedBeforeItsWeightsAreFetched) {
  TinyModelOptions options;
  options.config_overrides = {{"architectures", {"GPTNeoXForCausalLM"}}};
  WriteModel(options);
  CommitModel();
  RunRequest request;
  request.model_path = HubUriOfModel();
  Sources sources(context_);
  const Status refused = CheckRunInputs(request, &sources).status();
  EXPECT_THAT(std::string(MessageOf(refused)),
              AllOf(HasSubstr("model: " + HubUriOfModel() + ": "), HasSubstr("GPTNeoXForCausalLM")));
  for (const test::FakeHub::Request& asked : hub_->Log()) {
    const bool is_file = asked.path.find(name_ + "/resolve/") != std::string::npos;
    EXPECT_TRUE(!is_file || asked.path.ends_with("/config.json")) << asked.path;
  }
}

TEST_F(SourcesTest, APlanFromTheConfigurationFetchesNothingElse) {
  WriteModel();
  CommitModel();
  RunRequest request;
  request.model_path = HubUriOfModel();
  request.config_only = true;
  Sources sources(context_);
  ASSERT_TRUE(CheckRunInputs(request, &sources).ok()) << CheckRunInputs(request, &sources).status();
  const auto folder = sources.Model("model", HubUriOfModel(), ModelPart::kConfig);
  EXPECT_THAT(NamesIn(*folder), UnorderedElementsAre("config.json"));
}

TEST_F(SourcesTest, AModelInABucketIsFetchedOnceForEachVersion) {
  WriteModel();
  Write("model/pytorch_model.bin", "not wanted");
  PutFolder("model");
  Sources sources(context_);
  const auto folder = sources.Model("model", S3Uri("model"), ModelPart::kWhole);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_THAT(NamesIn(*folder), UnorderedElementsAre("config.json", "tokenizer.json", "model.safetensors"));
  EXPECT_TRUE(test::ReadFileOrEmpty(*folder + "/model.safetensors") ==
              test::ReadFileOrEmpty(At("model/model.safetensors")));
  EXPECT_TRUE(InspectModel(*folder).ok());
  const int64_t gets = s3_->Count("GET");
  Sources again(context_);
  EXPECT_EQ(*again.Model("model", S3Uri("model"), ModelPart::kWhole), *folder);
  EXPECT_EQ(s3_->Count("GET") - gets, 1) << "the list alone";
  Write("model/tokenizer.json", absl::StrCat(kBpe, "\n"));
  PutFolder("model");
  Sources changed(context_);
  const auto next = changed.Model("model", S3Uri("model"), ModelPart::kWhole);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_NE(*next, *folder);
  EXPECT_EQ(test::ReadFileOrEmpty(*next + "/tokenizer.json"), absl::StrCat(kBpe, "\n"));
}

TEST_F(SourcesTest, ATextInABucketIsOneObject) {
  Write("texts/calib.jsonl", "{\"text\": \"words\"}\n");
  PutFolder("texts");
  Sources sources(context_);
  const auto file = sources.Text("calib_dataset", S3Uri("texts/calib.jsonl"), TextUse::kCalibration);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->ends_with("/calib.jsonl")) << "its ending says how it is read";
  EXPECT_EQ(test::ReadFileOrEmpty(*file), "{\"text\": \"words\"}\n");
  EXPECT_THAT(TextSaid(S3Uri("texts/absent.txt")),
              HasSubstr("there is no object s3://bucket/" + name_ + "/texts/absent.txt"));
  EXPECT_THAT(ModelSaid(S3Uri("nothing")), HasSubstr("there is nothing below s3://bucket/" + name_ + "/nothing/"));
  EXPECT_THAT(TextSaid("s3://bucket?endpoint=" + s3_->endpoint()), HasSubstr("names no object"));
}

TEST_F(SourcesTest, ABucketsFailuresThatPassAreOutlivedAndDamageIsNotKept) {
  Write("texts/a.txt", "words and words");
  PutFolder("texts");
  for (const char* kind : {"truncate", "internal", "slow_down", "drop_before"}) {
    environment_["LWQ_CACHE_DIR"] = At(absl::StrCat("cache-", kind));
    s3_->Fail(kind, 1, "GET", "a.txt");
    Sources sources(context_);
    const auto file = sources.Text("calib_dataset", S3Uri("texts/a.txt"), TextUse::kCalibration);
    ASSERT_TRUE(file.ok()) << kind << ": " << file.status();
    EXPECT_EQ(test::ReadFileOrEmpty(*file), "words and words");
  }
  environment_["LWQ_CACHE_DIR"] = At("cache-damaged");
  s3_->Fail("damaged", 1, "GET", "a.txt");
  EXPECT_THAT(TextSaid(S3Uri("texts/a.txt")), HasSubstr("has another checksum than the server keeps"));
  EXPECT_EQ(TextSaid(S3Uri("texts/a.txt")), "") << "fetched anew";
}

TEST_F(SourcesTest, ATextOnTheHubIsAFileOfADataSet) {
  Write("set/en/part.jsonl", "{\"text\": \"words\"}\n");
  hub_->Commit("org/" + name_, At("set"), {{"kind", "datasets"}});
  Sources sources(context_);
  const auto file = sources.Text("eval_texts", "hf://datasets/org/" + name_ + "/en/part.jsonl", TextUse::kEvaluation);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(test::ReadFileOrEmpty(*file), "{\"text\": \"words\"}\n");
  EXPECT_THAT(TextSaid("hf://datasets/org/" + name_ + "/absent.txt"), HasSubstr("has no file absent.txt"));
  EXPECT_THAT(TextSaid("hf://org/name"), HasSubstr("is a model; a text is hf://datasets/"));
  EXPECT_THAT(ModelSaid("hf://datasets/org/name/x"), HasSubstr("a model is hf://ORG/NAME"));
}

TEST_F(SourcesTest, OtherSchemesAreRefusedAndPathsAreThemselves) {
  EXPECT_THAT(ModelSaid("gs://bucket/model"),
              AllOf(HasSubstr("model: gs://bucket/model"), HasSubstr("hf://… or s3://…")));
  EXPECT_THAT(TextSaid("https://example.com/x.txt"), HasSubstr("calib_dataset: https://example.com/x.txt"));
  Sources sources(context_);
  EXPECT_EQ(*sources.Model("model", "models/tiny", ModelPart::kWhole), "models/tiny");
  EXPECT_EQ(*sources.Text("calib_dataset", "./ptb", TextUse::kCalibration), "./ptb");
}

TEST_F(SourcesTest, AnInterruptEndsAFetchAndSaysHowToGoOn) {
  WriteModel();
  CommitModel();
  Interrupt interrupt;
  interrupt.Raise(InterruptedByUser());
  context_.interrupt = &interrupt;
  Sources sources(context_);
  const Status status = sources.Model("model", HubUriOfModel(), ModelPart::kWhole).status();
  EXPECT_EQ(std::string(MessageOf(status)), "interrupted; the same command goes on with what was fetched");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kInterrupted);
}

// --- Data sets by name ----------------------------------------------------------------------------------------------

std::string Lines(int count, std::string_view every_third) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i % 3 == 0) absl::StrAppend(&text, every_third, "\n");
    if (i % 3 != 0) absl::StrAppend(&text, " line ", i, " \n");
  }
  return text;
}

// 4358 lines, every third of them blank, whose rows have the bytes of WikiText-2's test text.
std::string LinesOfWikiText() {
  std::string lines = Lines(4358, " ");
  constexpr size_t kRowBytes = 1'287'656;
  const size_t blank_bytes = 2 * 1453;
  lines.insert(lines.size() - 1, kRowBytes - (lines.size() - blank_bytes), 'x');
  return lines;
}

TEST_F(SourcesTest, WikiText2IsItsRowsJoinedAsPerplexitiesAreStatedForIt) {
  environment_["LWQ_DATASETS"] = At("sets");
  Write("sets/wikitext2/wikitext-2-raw/wiki.test.raw", LinesOfWikiText());
  Sources sources(context_);
  const auto file = sources.Text("eval_texts", "wikitext2", TextUse::kEvaluation);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::string text = test::ReadFileOrEmpty(*file);
  // Rows "", " line 1 \n", " line 2 \n", "", …, joined by "\n\n".
  EXPECT_TRUE(text.starts_with("\n\n line 1 \n\n\n line 2 \n\n\n\n\n line 4 \n")) << text.substr(0, 60);
  EXPECT_EQ(text.size(), 1'287'656U + 2 * 4357);
  EXPECT_TRUE(text.ends_with("x\n")) << "the last row has its line end";
  EXPECT_EQ(*sources.Text("eval_texts", "wikitext2", TextUse::kEvaluation), *file);
  Write("sets/wikitext2/wikitext-2-raw/wiki.test.raw", Lines(4357, " "));
  EXPECT_THAT(TextSaid("wikitext2", TextUse::kEvaluation), HasSubstr("has 4357 rows of "));
  Write("sets/wikitext2/wikitext-2-raw/wiki.test.raw", Lines(4358, " "));
  EXPECT_THAT(TextSaid("wikitext2", TextUse::kEvaluation),
              HasSubstr("and what is published has 4358 of 1287656 bytes; it is another version"));
  environment_["HF_HUB_OFFLINE"] = "1";
  EXPECT_THAT(TextSaid("wikitext2", TextUse::kCalibration),
              AllOf(HasSubstr("data set Salesforce/wikitext is not in"),
                    HasSubstr("or put wiki.train.raw, as it is published, into $LWQ_DATASETS/wikitext2")));
}

// The rows as the Hub's tools keep them.
std::string ParquetOfLines(const std::string& column, const std::string& lines) {
  reporting::DataColumn rows;
  rows.name = column;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = lines.find('\n', begin) + 1;
    const std::string line = lines.substr(begin, end - begin);
    rows.cells.emplace_back(line.find_first_not_of(" \n") == std::string::npos ? "" : line);
    begin = end;
  }
  return *reporting::ToParquet({{rows}});
}

TEST_F(SourcesTest, WikiText2OfTheHubIsTheSameText) {
  environment_["LWQ_DATASETS"] = At("sets");
  const std::string lines = LinesOfWikiText();
  Write("sets/wikitext2/wiki.test.raw", lines);
  Write("hub/wikitext-2-raw-v1/test-00000-of-00001.parquet", ParquetOfLines("text", lines));
  Write("hub/wikitext-2-raw-v1/train-00000-of-00001.parquet", ParquetOfLines("text", lines));
  hub_->Commit("Salesforce/wikitext", At("hub"), {{"kind", "datasets"}});
  Sources local(context_);
  const auto of_lines = local.Text("eval_texts", "wikitext2", TextUse::kEvaluation);
  environment_.erase("LWQ_DATASETS");
  Sources remote(context_);
  const auto of_rows = remote.Text("eval_texts", "wikitext2", TextUse::kEvaluation);
  ASSERT_TRUE(of_lines.ok() && of_rows.ok()) << of_lines.status() << of_rows.status();
  EXPECT_NE(*of_lines, *of_rows);
  EXPECT_TRUE(test::ReadFileOrEmpty(*of_lines) == test::ReadFileOrEmpty(*of_rows));
  EXPECT_THAT(TextSaid("wikitext2", TextUse::kCalibration), HasSubstr("what is published has 36718"));
}

TEST_F(SourcesTest, PtbIsItsSentencesWithoutSpacesAtTheirEnds) {
  environment_["LWQ_DATASETS"] = At("sets");
  Write("sets/ptb/ptb.valid.txt", Lines(3370, " <unk> said "));
  Sources sources(context_);
  const auto file = sources.Text("eval_texts", "ptb", TextUse::kEvaluation);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(test::ReadFileOrEmpty(*file).starts_with("<unk> said\n\nline 1\n\nline 2\n\n<unk> said\n\n"));
}

TEST_F(SourcesTest, C4IsItsFirstTrainingFileAndNothingToMeasureOn) {
  Write("c4/en/c4-train.00000-of-01024.json.gz", "packed");
  hub_->Commit("allenai/c4", At("c4"), {{"kind", "datasets"}});
  Sources sources(context_);
  const auto file = sources.Text("calib_dataset", "c4", TextUse::kCalibration);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(test::ReadFileOrEmpty(*file), "packed");
  EXPECT_TRUE(file->ends_with(".json.gz"));
  EXPECT_THAT(TextSaid("c4", TextUse::kEvaluation), HasSubstr("windows"));
}

TEST_F(SourcesTest, RedPajamaIsEvery16thRecordOfItsFilesInTheirOrder) {
  environment_["LWQ_DATASETS"] = At("sets");
  for (const char* name : {"arxiv", "book", "c4", "cc_2019-30", "cc_2020-05", "cc_2021-04", "cc_2022-05", "cc_2023-06",
                           "github", "stackexchange", "wikipedia"}) {
    std::string records;
    for (int i = 0; i < 20; ++i) absl::StrAppend(&records, R"({"text": ")", name, i, "\"}\n", i == 3 ? "\n" : "");
    Write(absl::StrCat("sets/redpajama/", name, "_sample.jsonl"), records);
  }
  Sources sources(context_);
  const auto file = sources.Text("calib_dataset", "redpajama", TextUse::kCalibration);
  ASSERT_TRUE(file.ok()) << file.status();
  // Of 220 records 0, 16, 32 (the 13th of the second file), ….
  EXPECT_TRUE(test::ReadFileOrEmpty(*file).starts_with(
      "{\"text\": \"arxiv0\"}\n{\"text\": \"arxiv16\"}\n{\"text\": \"book12\"}\n{\"text\": \"c48\"}\n"));
  EXPECT_THAT(TextSaid("redpajama", TextUse::kEvaluation), HasSubstr("no split"));
}

// --- Run files ------------------------------------------------------------------------------------------------------

TEST_F(SourcesTest, NamesOfDataSetsAreNotJoinedToTheRunFilesFolder) {
  const auto run =
      ParseRunFile("calib_dataset: wikitext2\neval_texts: [wikitext2, sub/ptb, {p: ptb}]\n", "dir/run.yaml", "dir");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->calib_dataset, "wikitext2");
  EXPECT_EQ(run->eval_texts[0].path, "wikitext2");
  EXPECT_EQ(run->eval_texts[1].path, "dir/sub/ptb");
  EXPECT_EQ(run->eval_texts[2].path, "ptb");
  EXPECT_THAT(RunFileText(*run, {}),
              AllOf(HasSubstr("calib_dataset: wikitext2\n"), HasSubstr("{wikitext2: wikitext2}")));
}

TEST_F(SourcesTest, ModelsThatAreElsewhereAreCalledByTheirLastName) {
  for (const auto& [path, name] :
       std::map<std::string, std::string>{{"hf://org/Llama-3.1-8B", "Llama-3.1-8B"},
                                          {"hf://org/name@refs/pr/1", "name"},
                                          {"s3://bucket/a/Llama?endpoint=https://host:9000&region=x", "Llama"},
                                          {"s3://bucket", "bucket"}}) {
    RunRequest request;
    request.model_path = path;
    request.calib_dataset = "s3://bucket/texts/calib.json.gz?endpoint=https://h/x.y";
    ASSERT_TRUE(CompleteRunRequest(&request).ok());
    EXPECT_EQ(request.model_name, name) << path;
    EXPECT_EQ(NameOfPath(request.calib_dataset), "calib");
  }
}

class RemoteVerbTest : public VerbTest {
 protected:
  test::FakeHub hub_;
  test::FakeS3 s3_;
};

TEST_F(RemoteVerbTest, ARunOfAModelOnTheHubAndATextInABucketIsSubmittedAsOneOfLocalFiles) {
  WriteInputs();
  hub_.Commit("org/tiny", At("model"));
  ASSERT_TRUE(s3_.Open("texts")->Put("calib.txt", test::AsBytes(test::ReadFileOrEmpty(At("calib.txt"))), {}).ok());
  cli_.environment["HF_ENDPOINT"] = hub_.endpoint();
  cli_.environment["HF_HOME"] = At("hf");
  cli_.environment["LWQ_CACHE_DIR"] = At("cache");
  cli_.environment["AWS_ACCESS_KEY_ID"] = "AKFAKE";
  cli_.environment["AWS_SECRET_ACCESS_KEY"] = "SKFAKE";
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml")}), 0) << cli_.err();
  ASSERT_EQ(cli_.Run({"submit", "--name", "mine", "--model", "hf://org/tiny", "--calib_dataset",
                      s3_.Uri("texts/calib.txt"), "--wbits", "4", "--seed", "7"}),
            0)
      << cli_.err();
  EXPECT_THAT(cli_.err(), HasSubstr("fetching hf://org/tiny: "));
  service_.With([&](test::FakeRunService& service) {
    ASSERT_EQ(service.submitted.size(), 2U);
    const auto& local = service.submitted[0].spec();
    const auto& remote = service.submitted[1].spec();
    EXPECT_EQ(remote.model().files().digest(), local.model().files().digest());
    EXPECT_EQ(remote.model().tokenizer().digest(), local.model().tokenizer().digest());
    EXPECT_EQ(remote.calibration().files().digest(), local.calibration().files().digest());
    EXPECT_EQ(remote.model().name(), "tiny");
    EXPECT_EQ(remote.calibration().name(), "calib");
  });
  EXPECT_EQ(cli_.Run({"plan", "--model", "hf://org/absent", "--calib_dataset", "c4"}), 2);
  EXPECT_THAT(cli_.err(), AllOf(testing::StartsWith("lwq: command line: model: there is no model org/absent"),
                                HasSubstr("HF_TOKEN")));
  EXPECT_EQ(cli_.Run({"tokens", "--model", "hf://org/tiny", "ab"}), 0) << cli_.err();
}

}  // namespace
}  // namespace lwq::client
