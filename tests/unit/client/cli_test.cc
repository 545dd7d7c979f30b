// SPDX-License-Identifier: Apache-2.0
// Verbs end to end against a coordinator in this process: what they print, send and end with.
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <sstream>

#include "client/run_file/run_fields.h"
#include "common/artifact/file_tree.h"
#include "common/file/staging.h"
#include "common/object_store/open_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/testing/process.h"
#include "tests/unit/client/cli_harness.h"
#include "tests/unit/client/fake_run_service.h"
#include "tests/unit/client/verb_test.h"
#include "tests/unit/reporting/sample_runs.h"

namespace lwq::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct BadLine {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;
};
void PrintTo(const BadLine& bad, std::ostream* out) {
  *out << bad.name;
}

class BadCommandLine : public testing::TestWithParam<BadLine> {};

TEST_P(BadCommandLine, IsRefusedWithOneLineAndCode2) {
  test::CliHarness cli;
  EXPECT_EQ(cli.Run(GetParam().arguments), 2);
  EXPECT_EQ(cli.err(), "lwq: " + GetParam().message + "\n");
}

const BadLine kBadLines[] = {
    {"UnknownVerb", {"sumbit"}, "unknown verb \"sumbit\"; did you mean submit?"},
    {"StrangeVerb", {"frobnicate"}, "unknown verb \"frobnicate\"; lwq --help lists them"},
    {"UnknownFlag", {"submit", "--wbit", "2"}, "unknown flag --wbit; did you mean --wbits?"},
    {"UnknownFlagWithValue", {"submit", "--group-sise=64"}, "unknown flag --group-sise; did you mean --group_size?"},
    {"StrangeFlag", {"list", "--zebra"}, "unknown flag --zebra; lwq list --help lists the flags"},
    {"UnknownShortFlag", {"list", "-z"}, "unknown flag -z; lwq list --help lists the flags"},
    {"EfficientQatFlag",
     {"submit", "--eval_batch_size", "8"},
     "flag --eval_batch_size of EfficientQAT has no use here: perplexity is measured window by window and does not "
     "depend on a batch; remove it"},
    {"TasksWithoutFile",
     {"eval", "--model", "m", "--tasks", "piqa=a,,b"},
     "--tasks: expected TASK=FILE,TASK=FILE, got \"piqa=a,,b\""},
    {"DumpWithoutTasks",
     {"eval", "--model", "m", "--eval_texts", "t.txt", "--dump-requests", "f"},
     "--dump-requests: there are no requests without a task; give one with --tasks"},
    {"UnexpectedArgument", {"workers", "now"}, "unexpected argument \"now\"; lwq workers --help shows what it takes"},
    {"MissingRun", {"get"}, "RUN is required"},
    {"UnknownFlagBeforeMissingRun", {"get", "--jsno"}, "unknown flag --jsno; did you mean --json?"},
    {"TwoRunsWhereOneIs", {"get", "aaaa", "bbbb"}, "unexpected argument \"bbbb\"; lwq get --help shows what it takes"},
    {"MissingOutput", {"fetch", "aaaa"}, "--output is required"},
    {"FlagWithoutValue", {"submit", "--wbits"}, "--wbits: 1 required N missing"},
    {"BadInteger", {"submit", "--wbits", "two"}, "--wbits: expected an integer, got \"two\""},
    {"BadNumber", {"submit", "--epochs", "1e999"}, "--epochs: 1e999 does not fit a 64-bit float"},
    {"BadBool", {"submit", "--eval_ppl=maybe"}, "--eval_ppl: expected true or false, got \"maybe\""},
    {"BadIntegers",
     {"submit", "--sensitivity_bits", "2;3"},
     "--sensitivity_bits: expected an integer or a list of integers, got \"2;3\""},
    {"KindWithoutClass",
     {"submit", "--kind_class", "advance"},
     "--kind_classes: expected a class for a task kind (\"kind: class\", as a flag KIND=CLASS), got \"advance\""},
    {"UnknownKind",
     {"submit", "--kind_class", "advanc=A100"},
     "--kind_classes: unknown task kind \"advanc\"; did you mean advance?"},
    {"KindTwice",
     {"submit", "--kind_class", "advance=A", "--kind_class", "advance=B"},
     "--kind_classes: advance is given twice; remove one"},
    {"SensitivityWithoutText",
     {"submit", "--model", "m", "--method", "sensitivity"},
     "command line: method sensitivity needs calib_dataset: a text file (plain, .jsonl or .json.gz)"},
    {"EmptyValue", {"submit", "--model", ""}, "--model: expected a path, got an empty text"},
    {"NoModel",
     {"submit"},
     "command line: no model is given; add \"model: DIRECTORY\" to the run file or --model DIRECTORY"},
    {"NoRunFile", {"submit", "/absent/run.yaml"}, "/absent/run.yaml: no such run file"},
    {"NoCoordinator",
     {"list"},
     "no coordinator is named; give --coordinator HOST:PORT, set LWQ_COORDINATOR, or use lwq local"},
    {"AddressWithoutPort", {"list", "--coordinator", "node0"}, "coordinator: expected HOST:PORT, got \"node0\""},
    {"AddressWithBadPort",
     {"list", "--coordinator", "node0:99999"},
     "coordinator: expected HOST:PORT, got \"node0:99999\""},
    {"AddressWithoutHost", {"list", "--coordinator", ":80"}, "coordinator: expected HOST:PORT, got \":80\""},
    {"BareIpv6", {"list", "--coordinator", "::1:80"}, "coordinator: expected HOST:PORT, got \"::1:80\""},
    {"CoordinatorAndState",
     {"list", "--coordinator", "a:1", "--state", "s"},
     "--coordinator and --state exclude each other; give one of them"},
    {"NameThatIsNotUtf8", {"submit", "--name", "caf\xe9"}, "--name: is not UTF-8; write it in UTF-8"},
    {"ModelThatIsNotUtf8",
     {"submit", "--model", "/caf\xe9", "--method", "rtn", "--name", "a"},
     "command line: the model's name is not UTF-8; give another with \"net\""},
    {"CalibrationThatIsNotUtf8",
     {"submit", "--model", "m", "--calib_dataset", "/m\xf6/\xf6.txt"},
     "command line: the name of calib_dataset is not UTF-8; rename the file or link to it"},
    {"TextThatIsNotUtf8",
     {"submit", "--model", "m", "--method", "rtn", "--eval_texts", "\xc0\x80"},
     "command line: the name of a text of eval_texts is not UTF-8; give it one of its own (\"name: path\")"},
    {"ReportOfNoRun",
     {"report"},
     "report: no run is named; give ids, --sweep SWEEP or --matching PATTERN; lwq list and lwq sweeps show them"},
    {"BaselineWithoutFile",
     {"report", "aaaa", "--baseline", "bbbb"},
     "--baseline and --title belong to files; give --html, --csv, --json-file or --parquet"},
    {"RunThatIsNotUtf8", {"watch", "aaaa", "\xff"}, "ID: is not UTF-8; lwq list shows the runs"},
    {"EmptyState",
     {"local", "--model", "m", "--method", "rtn", "--state", ""},
     "--state: expected a folder, got an empty text; leave it out for lwq-state"},
    {"UnknownShell", {"completion", "tcsh"}, "completion: unknown shell \"tcsh\"; bash, zsh and fish are supported"},
    {"EvalThatQuantizes",
     {"eval", "--method", "rtn"},
     "--method: lwq eval quantizes nothing, got \"rtn\"; use lwq submit"},
    {"EvalWithoutText",
     {"eval", "--model", "m"},
     "command line: eval_ppl is on but eval_texts names no text; add one or remove eval_ppl"},
    {"SaveWithoutWatch",
     {"submit", "--model", "m", "--method", "rtn", "--save_quant_dir", "d"},
     "command line: save_quant_dir is filled when the run has ended; add --watch, or use lwq fetch later"},
};

INSTANTIATE_TEST_SUITE_P(Every, BadCommandLine, testing::ValuesIn(kBadLines),
                         [](const auto& instance) { return instance.param.name; });

TEST(CommandLine, WithoutAVerbShowsHelpAndFails) {
  test::CliHarness cli;
  EXPECT_EQ(cli.Run({}), 2);
  EXPECT_THAT(cli.out(), HasSubstr("submit"));
  EXPECT_EQ(cli.err(), "lwq: no verb is given; lwq local --help shows the quickest way to start\n");
}

TEST(CommandLine, EveryVerbHasHelpWithAnExampleAndJson) {
  for (const char* verb :
       {"local",  "submit", "sweep", "plan",    "list",  "get",  "watch",   "top",    "logs",        "cancel",
        "delete", "gc",     "fsck",  "compare", "fetch", "eval", "workers", "report", "sensitivity", "completion"}) {
    test::CliHarness cli;
    EXPECT_EQ(cli.Run({verb, "--help"}), 0) << verb;
    EXPECT_THAT(cli.out(), AllOf(HasSubstr("Example:\n"), HasSubstr("lwq"), HasSubstr("--json"))) << verb;
  }
}

TEST(CommandLine, EveryKeyOfARunIsAFlagOfSubmit) {
  test::CliHarness cli;
  ASSERT_EQ(cli.Run({"submit", "--help"}), 0);
  for (const RunField& field : RunFields()) EXPECT_THAT(cli.out(), HasSubstr("--" + field.name + " ")) << field.name;
}

TEST(CommandLine, TellsItsVersion) {
  test::CliHarness cli;
  EXPECT_EQ(cli.Run({"--version"}), 0);
  EXPECT_THAT(cli.out(), StartsWith("lwq "));
}

// Takes the first writes, then fails as a pipe without a reader or a full disk does.
class FailingOutput : public std::streambuf {
 public:
  FailingOutput(int flushes, int error) : flushes_(flushes), error_(error) {}
  const std::string& taken() const { return taken_; }

 private:
  int_type overflow(int_type c) override {
    if (flushes_ <= 0) return Fail();
    taken_ += traits_type::to_char_type(c);
    return c;
  }
  int sync() override { return flushes_-- > 0 ? 0 : Fail(); }
  int Fail() {
    errno = error_;
    return traits_type::eof();
  }

  int flushes_;
  const int error_;
  std::string taken_;
};

TEST(StandardOutput, ThatCannotBeWrittenIsAnError) {
  for (const auto& arguments : {std::vector<std::string>{"--help"}, {"completion", "bash"}, {"list", "--help"}}) {
    FailingOutput full(0, ENOSPC);
    std::ostream out(&full);
    test::CliHarness cli;
    EXPECT_EQ(cli.Run(arguments, &out), 1);
    EXPECT_EQ(cli.err(), "lwq: cannot write standard output: No space left on device\n");
  }
}

TEST(StandardOutput, WithoutAReaderIsNoReasonToSpeak) {
  FailingOutput pipe(0, EPIPE);
  std::ostream out(&pipe);
  test::CliHarness cli;
  EXPECT_EQ(cli.Run({"completion", "bash"}, &out), 141);
  EXPECT_EQ(cli.err(), "");
}

TEST_F(VerbTest, SubmitUploadsAndPrintsTheId) {
  WriteInputs();
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--wbits", "2", "--eval_texts", "held=" + At("calib.txt")}), 0)
      << cli_.err();
  EXPECT_EQ(cli_.out(), "feed0000-0000\n");
  ASSERT_EQ(service_.submitted.size(), 1u);
  const lwqat::v1::RunSpec& spec = service_.submitted[0].spec();
  EXPECT_EQ(spec.name(), "mine");
  EXPECT_EQ(spec.recipe().wbits(), 2) << "flags win";
  EXPECT_EQ(spec.recipe().seed(), 7);
  EXPECT_EQ(spec.eval_texts(0).name(), "held");
  EXPECT_EQ(service_.submitted[0].request_id().size(), 36u);
  const auto store = *OpenObjectStore(service_.objects_uri);
  ArtifactStore artifacts(store.get());
  EXPECT_TRUE(*artifacts.IsComplete(
      ArtifactRef{*Digest::FromHex(spec.model().files().digest()), spec.model().files().size_bytes()}));
}

TEST_F(VerbTest, ABrokenTokenizerIsRefusedBeforeAnythingIsUploadedWhereTheRunReadsIt) {
  WriteInputs();
  test::WriteFile(At("model/tokenizer.json"), R"({"model": {"type": "Unigram"}})");
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"submit", At("run.yaml")},
                                             {"plan", At("run.yaml")},
                                             {"local", At("run.yaml"), "--state", At("state")},
                                             {"eval", "--model", At("model"), "--eval_texts", At("calib.txt")}}) {
    EXPECT_EQ(cli_.Run(line), 2) << line.front();
    EXPECT_THAT(cli_.err(), HasSubstr("tokenizer.json: model of type 'Unigram' is not supported")) << line.front();
  }
  EXPECT_TRUE(service_.submitted.empty());
  // Round-to-nearest without texts reads none.
  test::WriteFile(At("rtn.yaml"), "model: model\nmethod: rtn\nwbits: 4\n");
  EXPECT_EQ(cli_.Run({"submit", At("rtn.yaml")}), 0) << cli_.err();
}

TEST_F(VerbTest, TokensPrintsIdsPiecesAndCounts) {
  WriteInputs();
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("model"), "ab a"}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), AllOf(HasSubstr(" 2  ab"), HasSubstr("3 tokens of 4 bytes; vocabulary 4")));
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("model"), "ab a", "--json"}), 0);
  const auto printed = ParseJson(cli_.out(), "tokens");
  ASSERT_TRUE(printed.ok()) << cli_.out();
  EXPECT_EQ((*printed)["ids"], Json({2, 3, 0}));
  EXPECT_EQ((*printed)["pieces"], Json({"ab", " ", "a"}));
  test::WriteFile(At("lines.jsonl"), "\"ab\"\n{\"text\": \"ba\"}\n");
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("model"), "--file", At("lines.jsonl"), "--batch"}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(), "[2]\n[1,0]\n");
}

TEST_F(VerbTest, TokensNamesWhatItCannotRead) {
  WriteInputs();
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("model"), "ab x"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("no token for the character 'x' (bytes 78) at byte 3 of the text (line 1)"));
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("model")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("give a TEXT or --file FILE"));
  EXPECT_EQ(cli_.Run({"tokens", "--model", At("absent"), "a"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("no such directory"));
}

TEST_F(VerbTest, SubmitRepeatsItsRequestIdWhenTheCoordinatorDoesNotAnswer) {
  WriteInputs();
  service_.unavailable_submits = 3;
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml")}), 0) << cli_.err();
  ASSERT_EQ(service_.submitted.size(), 4u);
  for (const auto& request : service_.submitted) EXPECT_EQ(request.request_id(), service_.submitted[0].request_id());
  EXPECT_EQ(service_.runs.size(), 1u);
}

TEST_F(VerbTest, EachSubmitHasARequestIdOfItsOwn) {
  WriteInputs();
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml")}), 0);
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml")}), 0);
  EXPECT_NE(service_.submitted[0].request_id(), service_.submitted[1].request_id());
}

TEST_F(VerbTest, TheCoordinatorsRefusalNamesTheRunFileAndIsBadInput) {
  WriteInputs();
  service_.submit_error = {grpc::StatusCode::FAILED_PRECONDITION,
                           "wbits 5 does not fit export_format gptq_v2;\nuse fake_quant"};
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml")}), 2);
  EXPECT_EQ(cli_.err().substr(cli_.err().find("lwq: ")),
            "lwq: " + At("run.yaml") + ": wbits 5 does not fit export_format gptq_v2; use fake_quant\n");
}

TEST_F(VerbTest, SubmitWatchFetchesAndEndsAsTheRun) {
  WriteInputs();
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.watch_calls = {{test::RunningRun(), run}};
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--watch", "--save_quant_dir", At("out")}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/model.safetensors")), "weights");
  EXPECT_THAT(cli_.out(), AllOf(StartsWith("feed0000-0000\n"), HasSubstr("succeeded")));
}

TEST_F(VerbTest, SubmitJsonHasTheRunsAlone) {
  WriteInputs();
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml"), "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["runs"][0]["id"], "feed0000-0000");
}

TEST_F(VerbTest, PlanUploadsNothing) {
  WriteInputs();
  service_.plan.set_average_bits(2);
  service_.plan.add_blocks()->set_bit_width(2);
  (*service_.plan.mutable_tasks())["train_block"] = 1;
  EXPECT_EQ(cli_.Run({"plan", At("run.yaml")}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("tasks        1 (1 train_block)\n"));
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
  ASSERT_EQ(service_.planned.size(), 1u);
  EXPECT_EQ(service_.planned[0].model().files().digest().size(), 64u) << "inputs are named all the same";
  EXPECT_THAT(cli_.err(), HasSubstr("hashing model")) << "a named coordinator knows what other runs share";
  ASSERT_EQ(cli_.Run({"plan", At("run.yaml"), "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["average_bits"], 2);
}

TEST_F(VerbTest, PlanNeedsNothingButAConfigWhereThatIsSaid) {
  WriteInputs();
  std::filesystem::remove(At("model/model.safetensors"));
  std::filesystem::remove(At("model/tokenizer.json"));
  test::WriteFile(At("scores.json"), "{\"sensitivity_scores\": [2.5]}");
  EXPECT_EQ(cli_.Run({"plan", "--model", At("model")}), 2);
  service_.plan.set_provisional(true);
  ASSERT_EQ(cli_.Run({"plan", "--config-only", "--model", At("model"), "--sensitivity_file", At("scores.json")}), 0)
      << cli_.err();
  EXPECT_THAT(cli_.out(), HasSubstr("sensitivity  is measured ("));
  ASSERT_EQ(service_.planned.size(), 1u);
  EXPECT_THAT(service_.planned[0].sensitivity_scores(), ElementsAre(2.5));
  EXPECT_FALSE(service_.planned[0].calibration().files().digest().empty());
}

TEST_F(VerbTest, PlanJsonHasTheProtosNames) {
  WriteInputs();
  service_.plan = test::PolicyRun().plan();
  service_.plan.add_estimates()->set_kind("train_block");
  service_.plan.add_frontier()->set_loss(0.5);
  service_.plan.set_estimated_seconds(12);
  ASSERT_EQ(cli_.Run({"plan", At("run.yaml"), "--json"}), 0) << cli_.err();
  const Json plan = Json::parse(cli_.out());
  EXPECT_EQ(plan["blocks"][1]["sensitivity"], 12.25);
  EXPECT_EQ(plan["blocks"][2]["unit"], 1);
  EXPECT_EQ(plan["order"], Json::parse("[1, 2, 0]"));
  EXPECT_EQ(plan["provisional"], false);
  EXPECT_EQ(plan["estimated_seconds"], 12);
  EXPECT_EQ(plan["frontier"][0]["loss"], 0.5);
  EXPECT_FALSE(plan["estimates"][0].contains("seconds")) << "absent: nothing was measured";
}

TEST_F(VerbTest, SubmitSendsListsAndClassesOfKinds) {
  WriteInputs();
  test::WriteFile(At("run.yaml"), test::ReadFileOrEmpty(At("run.yaml")) +
                                      "sensitivity_bits: [2, 4]\nkind_classes: {embed: E, advance: A}\n");
  ASSERT_EQ(
      cli_.Run({"submit", At("run.yaml"), "--sensitivity_group_sizes", "-1,64", "--kind_class", "advance=L4|sm89"}), 0)
      << cli_.err();
  const lwqat::v1::RunSpec& spec = service_.submitted[0].spec();
  EXPECT_EQ(spec.recipe().sensitivity_bits(), "2,4");
  EXPECT_EQ(spec.recipe().sensitivity_group_sizes(), "-1,64");
  EXPECT_THAT(spec.kind_classes(), ElementsAre(testing::Pair("advance", "L4|sm89"))) << "flags replace the file's";
}

TEST_F(VerbTest, OfSeveralRunsNoneIsBegunWhenTheCoordinatorWouldRefuseOne) {
  WriteInputs();
  service_.submit_error = {grpc::StatusCode::INVALID_ARGUMENT, "recipe: wbits 5"};
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), At("run.yaml"), "--eval_texts", "held=" + At("calib.txt")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: " + At("run.yaml") + ": recipe: wbits 5\n") << "nothing was uploaded before";
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
  EXPECT_TRUE(service_.submitted.empty());
  const lwqat::v1::RunSpec& asked = service_.planned.at(0);
  EXPECT_EQ(asked.name(), "mine");
  EXPECT_EQ(asked.eval_texts(0).name(), "held");
  EXPECT_FALSE(asked.model().config_json().empty());
}

TEST_F(VerbTest, SeveralRunsAreAskedForInOneCallAndSubmittedInOne) {
  WriteInputs();
  ASSERT_EQ(cli_.Run({"submit", At("run.yaml"), At("run.yaml")}), 0) << cli_.err();
  ASSERT_EQ(service_.together.size(), 2u);
  EXPECT_TRUE(service_.together[0].validate_only());
  EXPECT_EQ(service_.together[0].runs_size(), 2);
  EXPECT_FALSE(service_.together[1].validate_only());
  ASSERT_EQ(service_.together[1].runs_size(), 2);
  EXPECT_NE(service_.together[1].runs(0).request_id(), service_.together[1].runs(1).request_id());
  EXPECT_EQ(cli_.out(), "feed0000-0000\nfeed0001-0000\n");
}

TEST_F(VerbTest, OfSeveralRunsTheOneThatWouldBeRefusedIsNamedByItsFile) {
  WriteInputs();
  test::WriteFile(At("second.yaml"), "name: other\nmodel: model\ncalib_dataset: calib.txt\n");
  service_.submit_error = {grpc::StatusCode::INVALID_ARGUMENT, "recipe: wbits 5"};
  service_.refused_name = "other";
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), At("second.yaml")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: " + At("second.yaml") + ": recipe: wbits 5\n");
  EXPECT_TRUE(service_.submitted.empty());
}

TEST_F(VerbTest, OfSeveralWatchedRunsThoseThatSucceedAreFetchedThoughOneFails) {
  WriteInputs();
  test::WriteFile(At("second.yaml"), "name: other\nmodel: model\ncalib_dataset: calib.txt\nsave_quant_dir: second\n");
  lwqat::v1::Run exported;
  ExportTo(&exported);
  // A stream that breaks and is opened again finds them ended. The server may still call it when the client has left.
  service_.on_watch = [this, exported] {
    service_.With([&exported](test::FakeRunService& service) {
      for (lwqat::v1::Run& run : service.runs) {
        run.set_state(run.spec().name() == "other" ? lwqat::v1::RUN_STATE_SUCCEEDED : lwqat::v1::RUN_STATE_FAILED);
        *run.mutable_export_() = exported.export_();
      }
      return 0;
    });
  };
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), At("second.yaml"), "--watch"}), 1) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("second/model.safetensors")), "weights");
  EXPECT_THAT(cli_.out(), AllOf(StartsWith("feed0000-0000\nfeed0001-0000\n"), HasSubstr("failed")));
}

TEST_F(VerbTest, SizesMayHaveUnits) {
  for (const auto& [flag, value, why] :
       std::vector<std::array<std::string, 3>>{{"--activation-bytes", "-3", "--activation-bytes: Value -3"},
                                               {"--cache-bytes", "0", "--cache-bytes: Value 0 not in range"},
                                               {"--memory-limit-bytes", "8 apples", "unit not recognized"},
                                               {"--memory-limit-bytes", "99999999999GiB", "overflow"}}) {
    EXPECT_EQ(cli_.Run({"local", "--model", "m", flag, value}), 2) << value;
    EXPECT_THAT(cli_.err(), HasSubstr(why));
  }
}

TEST_F(VerbTest, WrongScoresAreRefusedBeforeAnythingIsUploaded) {
  WriteInputs();
  test::WriteFile(At("scores.json"), "{\"sensitivity_scores\": [1, 2, 3]}");
  EXPECT_EQ(cli_.Run({"submit", At("run.yaml"), "--sensitivity_file", At("scores.json")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: " + At("run.yaml") + ": sensitivity_file: " + At("scores.json") +
                            ": it has 3 scores, but model model has 1 blocks; give a file measured on this model\n");
  EXPECT_TRUE(std::filesystem::is_empty(At("objects")));
  EXPECT_TRUE(service_.submitted.empty());
}

TEST_F(VerbTest, ListTurnsPages) {
  for (int i = 0; i < 5; ++i) service_.runs.push_back(test::MeasuredRun("run" + std::to_string(i), "rtn", 3, 2));
  ASSERT_EQ(cli_.Run({"list"}), 0) << cli_.err();
  for (int i = 0; i < 5; ++i) EXPECT_THAT(cli_.out(), HasSubstr("run" + std::to_string(i)));
  ASSERT_EQ(cli_.Run({"list", "--limit", "3", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["runs"].size(), 3u);
}

TEST_F(VerbTest, GetShowsARunByPrefix) {
  service_.runs = {test::FinishedRun()};
  ASSERT_EQ(cli_.Run({"get", "3f2a"}), 0);
  EXPECT_THAT(cli_.out(), StartsWith("run          3f2a9c1e-0000-4000-8000-000000000001 w2g128\n"));
  ASSERT_EQ(cli_.Run({"get", "3f2a", "--json"}), 0);
  const Json run = Json::parse(cli_.out());
  EXPECT_EQ(run["state"], "RUN_STATE_SUCCEEDED");
  EXPECT_EQ(run["spec"]["name"], "w2g128") << "field names are the proto's";
  EXPECT_EQ(run["tasks_total"], 5);
}

TEST_F(VerbTest, GetAndWatchJsonHaveWhatBecameOfEachBlock) {
  service_.runs = {test::FinishedPolicyRun()};
  ASSERT_EQ(cli_.Run({"get", "ab12", "--json"}), 0);
  const Json run = Json::parse(cli_.out());
  EXPECT_EQ(run["layers"][2]["zero_point_flips"], 7);
  EXPECT_EQ(run["layers"][2]["training_time"], 3);
  EXPECT_EQ(run["plan"]["order"], Json::parse("[1, 2, 0]"));
  EXPECT_EQ(run["sensitivity"][0]["scores"][1], 12.25);
  ASSERT_EQ(cli_.Run({"watch", "ab12", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["layers"], run["layers"]);
}

TEST_F(VerbTest, SensitivityIsPrintedOrSavedInTheShapeOfTheSeeds) {
  service_.runs = {test::FinishedPolicyRun()};
  ASSERT_EQ(cli_.Run({"sensitivity", "ab12"}), 0) << cli_.err();
  const std::string printed = cli_.out();
  EXPECT_EQ(Json::parse(printed)["sensitivity_scores"], Json::parse("[0.5, 12.25, 3.0]"));
  ASSERT_EQ(cli_.Run({"sensitivity", "ab12", "--output", At("s.json")}), 0);
  EXPECT_EQ(cli_.out(), At("s.json") + "\n");
  EXPECT_EQ(test::ReadFileOrEmpty(At("s.json")), printed);
  ASSERT_EQ(cli_.Run({"sensitivity", "ab12", "--output", folder_.path(), "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["file"], At("sensitivity_results_tiny_2_b.json"));
  EXPECT_EQ(test::ReadFileOrEmpty(At("sensitivity_results_tiny_2_b.json")), printed);
}

TEST_F(VerbTest, SensitivityOfARunThatMeasuredNoneIsBadInput) {
  service_.runs = {test::FinishedRun()};
  EXPECT_EQ(cli_.Run({"sensitivity", "3f2a"}), 2);
  EXPECT_THAT(cli_.err(), StartsWith("lwq: run 3f2a9c1e has measured no sensitivity (it is succeeded); "));
}

TEST_F(VerbTest, AnUnknownRunIsBadInput) {
  EXPECT_EQ(cli_.Run({"get", "beef"}), 2);
  EXPECT_EQ(cli_.err(), "lwq: no run \"beef\"; lwq list shows the runs\n");
  EXPECT_EQ(cli_.Run({"watch", "beef"}), 2);
  EXPECT_EQ(cli_.Run({"logs", "beef"}), 2);
  EXPECT_EQ(cli_.Run({"cancel", "beef"}), 2);
}

TEST_F(VerbTest, WatchPrintsALinePerChangeAndResumesABrokenStream) {
  lwqat::v1::Run run = test::FinishedRun();
  service_.watch_calls = {{test::RunningRun()}, {}, {run}};
  EXPECT_EQ(cli_.Run({"watch", "3f2a"}), 0) << cli_.err();
  EXPECT_THAT(cli_.out(),
              AllOf(HasSubstr("train block 1: started on worker-1, attempt 2\n"),
                    HasSubstr("train block 1: done, loss 0.5\n"), HasSubstr("w2g128 3f2a9c1e: succeeded\n")));
  EXPECT_EQ(cli_.err(), "the coordinator does not answer; trying again\nthe coordinator answers again\n");
}

TEST_F(VerbTest, WatchEndsAsTheRunDid) {
  lwqat::v1::Run run = test::FinishedRun();
  run.set_state(lwqat::v1::RUN_STATE_FAILED);
  run.set_error("train block 1: diverged");
  service_.watch_calls = {{run}};
  EXPECT_EQ(cli_.Run({"watch", "3f2a"}), 1);
}

TEST_F(VerbTest, WatchOfACancelledRunEndsWith4) {
  lwqat::v1::Run run = test::FinishedRun();
  run.set_state(lwqat::v1::RUN_STATE_CANCELLED);
  service_.watch_calls = {{run}};
  EXPECT_EQ(cli_.Run({"watch", "3f2a"}), 4);
}

TEST_F(VerbTest, WatchJsonIsOneRunPerLine) {
  service_.watch_calls = {{test::RunningRun(), test::FinishedRun()}};
  ASSERT_EQ(cli_.Run({"watch", "3f2a", "--json"}), 0);
  std::istringstream lines(cli_.out());
  std::vector<std::string> states;
  for (std::string line; std::getline(lines, line);) states.push_back(Json::parse(line)["state"]);
  EXPECT_THAT(states, ElementsAre("RUN_STATE_RUNNING", "RUN_STATE_SUCCEEDED"));
}

TEST_F(VerbTest, WatchEndsWhenNobodyReadsItAnyMore) {
  service_.watch_calls = {{test::RunningRun()}};  // after which the coordinator is gone, and is waited for
  FailingOutput pipe(1, EPIPE);
  std::ostream out(&pipe);
  EXPECT_EQ(cli_.Run({"watch", "3f2a"}, &out), 141);
  EXPECT_EQ(pipe.taken(), "w2g128 3f2a9c1e: running, 2/5 tasks done\n");
}

TEST_F(VerbTest, FollowedLogsEndWhenNobodyReadsThemAnyMore) {
  service_.runs = {test::RunningRun()};
  lwqat::v1::LogLine line;
  line.set_sequence(1);
  service_.log_lines = {line};
  FailingOutput pipe(0, EPIPE);
  std::ostream out(&pipe);
  EXPECT_EQ(cli_.Run({"logs", "3f2a", "--follow"}, &out), 141);
}

TEST_F(VerbTest, AnInterruptedWatchEndsWith130) {
  cli_.interrupt.Raise(InterruptedByUser());
  service_.runs = {test::RunningRun()};
  EXPECT_EQ(cli_.Run({"watch", "3f2a"}), 130);
}

TEST_F(VerbTest, LogsTurnPagesAndFilter) {
  service_.runs = {test::FinishedRun()};
  for (int i = 1; i <= 5; ++i) {
    lwqat::v1::LogLine line;
    line.set_sequence(i);
    line.set_time_unix_ms(1000 * i);
    line.set_task(i % 2 == 0 ? "train block 0" : "tokenize");
    line.set_worker("worker-1");
    line.set_text("line " + std::to_string(i));
    service_.log_lines.push_back(line);
  }
  ASSERT_EQ(cli_.Run({"logs", "3f2a", "--task", "train", "--follow"}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(),
            "1970-01-01T00:00:02.000Z  train block 0  worker-1  line 2\n"
            "1970-01-01T00:00:04.000Z  train block 0  worker-1  line 4\n");
  service_.log_lines[2].set_attempt(2);
  ASSERT_EQ(cli_.Run({"logs", "3f2a", "tokenize"}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(),
            "1970-01-01T00:00:01.000Z  tokenize  worker-1  line 1\n"
            "1970-01-01T00:00:03.000Z  tokenize (attempt 2)  worker-1  line 3\n"
            "1970-01-01T00:00:05.000Z  tokenize  worker-1  line 5\n");
  ASSERT_EQ(cli_.Run({"logs", "3f2a", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out().substr(0, cli_.out().find('\n')))["text"], "line 1");
}

TEST_F(VerbTest, CancelSaysWhatBecameOfEachRun) {
  service_.runs = {test::RunningRun()};
  EXPECT_EQ(cli_.Run({"cancel", "3f2a"}), 0);
  EXPECT_EQ(cli_.out(), "3f2a9c1e-0000-4000-8000-000000000001 w2g128: cancelled\n");
  EXPECT_THAT(service_.cancelled, ElementsAre("3f2a9c1e-0000-4000-8000-000000000001"));
}

TEST_F(VerbTest, FetchWritesTheExport) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  ASSERT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out"), "--json"}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/config.json")), "{}");
  const Json fetched = Json::parse(cli_.out());
  EXPECT_EQ(fetched["directory"], At("out"));
  EXPECT_EQ(fetched["files"], 2);
  EXPECT_EQ(fetched["size_bytes"], 9);
}

TEST_F(VerbTest, FetchWritesWhatIsKnownAboutTheBlocksBesideTheModel) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  ExportTo(&run);
  service_.runs = {run};
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out"), "--json"}), 0) << cli_.err();
  const Json fetched = Json::parse(cli_.out());
  EXPECT_EQ(fetched["files"], 2);
  EXPECT_EQ(fetched["reports"],
            Json::parse(R"(["README.md", "layer_statistics.json", "sensitivity_results_tiny_2_b.json"])"));
  EXPECT_EQ(Json::parse(test::ReadFileOrEmpty(At("out/layer_statistics.json")))["layers"].size(), 3u);
  EXPECT_EQ(Json::parse(test::ReadFileOrEmpty(At("out/sensitivity_results_tiny_2_b.json")))["method"], "fisher");
}

TEST_F(VerbTest, FetchWritesAModelCardAndKeepsThatOfTheBaseModelBesideIt) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  const auto store = *OpenObjectStore(service_.objects_uri);
  ArtifactStore artifacts(store.get());
  const std::string base_card = "---\nlicense: mit\n---\n# The base model\n";
  const auto tree = UploadContents(
      artifacts, {{"config.json", Bytes::FromString("{}")}, {"README.md", Bytes::FromString(base_card)}});
  ASSERT_TRUE(tree.ok()) << tree.status();
  run.mutable_export_()->set_digest(tree->digest.hex());
  run.mutable_export_()->set_size_bytes(tree->size_bytes);
  service_.runs = {run};
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/BASE_MODEL_README.md")), base_card);
  const std::string card = test::ReadFileOrEmpty(At("out/README.md"));
  EXPECT_THAT(card, StartsWith("---\nlicense: mit\n"));
  EXPECT_THAT(card, HasSubstr("# mixed\n"));
}

TEST_F(VerbTest, FetchDoesNotReplaceAReadmeThatIsNoExports) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  ExportTo(&run);
  service_.runs = {run};
  std::filesystem::create_directory(At("out"));
  test::WriteFile(At("out/README.md"), "my project");
  EXPECT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("README.md is no export's, and the export brings its own; give another folder"));
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/README.md")), "my project");
  EXPECT_FALSE(std::filesystem::exists(At("out/config.json")));
}

TEST_F(VerbTest, FetchIntoAnEarlierExportLeavesNothingOfIt) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  ExportTo(&run);
  service_.runs = {run};
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 0) << cli_.err();
  for (const char* name : {"quantize_config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
                           "sensitivity_results_other.json", "README.md", "scores.json"}) {
    test::WriteFile(At("out/") + name, "old");
  }
  std::filesystem::create_directory(At("out/kept.safetensors"));
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 0) << cli_.err();
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(At("out"))) names.insert(entry.path().filename());
  EXPECT_THAT(names, ElementsAre("README.md", "config.json", "kept.safetensors", "layer_statistics.json",
                                 "model.safetensors", "scores.json", "sensitivity_results_tiny_2_b.json"));
}

TEST_F(VerbTest, FetchRemovesWhatAKilledOneLeftHalfWrittenButNothingThatIsBeingWritten) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  std::filesystem::create_directory(At("out"));
  test::WriteFile(At("out/.partial-1-2-3"), "half");
  const auto written = StagingFile::Create(At("out"), ".partial-");
  ASSERT_TRUE(written.ok()) << written.status();
  ASSERT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 0) << cli_.err();
  EXPECT_FALSE(std::filesystem::exists(At("out/.partial-1-2-3")));
  EXPECT_TRUE((*written)->RenameTo(At("out/whole")).ok());
}

TEST_F(VerbTest, FetchIntoAFolderOfTheUsersRemovesNothing) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  ExportTo(&run);
  service_.runs = {run};
  std::filesystem::create_directory(At("out"));
  test::WriteFile(At("out/model-00001-of-00002.safetensors"), "the user's");
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 0) << cli_.err();
  EXPECT_EQ(test::ReadFileOrEmpty(At("out/model-00001-of-00002.safetensors")), "the user's");
}

TEST_F(VerbTest, FetchOfARunThatOnlyMeasuredWritesItsScores) {
  lwqat::v1::Run run = test::FinishedPolicyRun();
  run.mutable_plan()->mutable_recipe()->set_method("sensitivity");
  service_.runs = {run};
  ASSERT_EQ(cli_.Run({"fetch", "ab12", "--output", At("out")}), 0) << cli_.err();
  EXPECT_TRUE(std::filesystem::exists(At("out/sensitivity_results_tiny_2_b.json")));
  EXPECT_FALSE(std::filesystem::exists(At("out/layer_statistics.json")));
}

TEST_F(VerbTest, FetchRefusesWhatCannotBeFetched) {
  lwqat::v1::Run run = test::RunningRun();
  service_.runs = {run};
  EXPECT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: run 3f2a9c1e has no export (it is running); lwq get 3f2a9c1e says why\n");
  ExportTo(&run);
  service_.runs = {run};
  test::WriteFile(At("file"), "x");
  EXPECT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("file")}), 2);
  EXPECT_EQ(cli_.err(), "lwq: --output " + At("file") + " is a file; give a directory\n");
}

TEST_F(VerbTest, FetchOfADamagedObjectFailsAndLeavesNoHalfFile) {
  lwqat::v1::Run run = test::FinishedRun();
  ExportTo(&run);
  service_.runs = {run};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(At("objects"))) {
    if (entry.is_regular_file() && test::ReadFileOrEmpty(entry.path().string()) == "weights") {
      std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
      test::WriteFile(entry.path().string(), "weighty");
    }
  }
  EXPECT_EQ(cli_.Run({"fetch", "3f2a", "--output", At("out")}), 1);
  EXPECT_FALSE(std::filesystem::exists(At("out/model.safetensors")));
}

TEST_F(VerbTest, EvalSubmitsARunThatOnlyEvaluates) {
  WriteInputs();
  lwqat::v1::Run run = test::MeasuredRun("eval", "none", 0, 2.125);
  service_.watch_calls = {{run}};
  ASSERT_EQ(cli_.Run({"eval", "--model", At("model"), "--eval_texts", At("calib.txt")}), 0) << cli_.err();
  EXPECT_EQ(cli_.out(), "model  text      perplexity  tokens\ntiny   held-out      2.1250   50000\n");
  const auto& recipe = service_.submitted[0].spec().recipe();
  EXPECT_EQ(recipe.method(), "none");
  EXPECT_TRUE(recipe.eval_ppl());
}

TEST_F(VerbTest, WorkersAreListed) {
  lwqat::v1::WorkerInfo worker;
  worker.set_name("worker-1");
  worker.set_alive(true);
  service_.workers = {worker};
  ASSERT_EQ(cli_.Run({"workers", "--release", "worker-1"}), 0);
  EXPECT_EQ(cli_.Run({"workers", "--release", "nobody"}), 2);
  EXPECT_THAT(cli_.err(), HasSubstr("worker 'nobody' is not known"));
  ASSERT_EQ(cli_.Run({"top"}), 0);
  EXPECT_THAT(cli_.out(), HasSubstr("worker-1"));
  EXPECT_THAT(cli_.out(), HasSubstr("workers: 0 of 1 executing"));
  ASSERT_EQ(cli_.Run({"top", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["workers"][0]["name"], "worker-1");
  ASSERT_EQ(cli_.Run({"workers", "--json"}), 0);
  EXPECT_EQ(Json::parse(cli_.out())["workers"][0]["name"], "worker-1");
}

TEST(Unreachable, WhatAnswersButIsNoCoordinatorEndsWith3) {
  lwqat::v1::RunService::Service stranger;  // knows no call
  const test::FakeServer server(&stranger);
  test::CliHarness cli;
  for (const auto& arguments : {std::vector<std::string>{"list"}, {"watch", "3f2a"}}) {
    std::vector<std::string> line = arguments;
    line.insert(line.end(), {"--coordinator", server.address()});
    EXPECT_EQ(cli.Run(line), 3);
    EXPECT_THAT(cli.err(), AllOf(StartsWith("lwq: what answers at " + server.address() + " is no coordinator"),
                                 HasSubstr("; check --coordinator\n")));
  }
}

TEST(Unreachable, EndsWith3AndSaysWhere) {
  std::string address;
  {
    test::FakeRunService service;
    const test::FakeServer server(&service);
    address = server.address();
  }
  test::CliHarness cli;
  EXPECT_EQ(cli.Run({"list", "--coordinator", address, "--timeout", "0.2"}), 3);
  EXPECT_THAT(cli.err(), AllOf(StartsWith("lwq: no coordinator answers at " + address + " ("),
                               HasSubstr("start it or check --coordinator\n")));
  EXPECT_EQ(cli.Run({"watch", "3f2a", "--coordinator", address, "--timeout", "0.2"}), 3);
}

}  // namespace
}  // namespace lwq::client
