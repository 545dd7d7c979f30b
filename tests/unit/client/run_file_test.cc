// SPDX-License-Identifier: Apache-2.0
// Run files: what they mean, and the one line each kind of mistake gets.
#include "client/run_file/read_run_file.h"

#include <filesystem>
#include <iterator>
#include <map>

#include "client/run_file/field_help.h"
#include "client/run_file/run_fields.h"
#include "client/run_file/suggestion.h"
#include "common/recipe/recipe_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(RunFile, EveryRecipeFieldIsAKeyOfTheSameName) {
  const auto* descriptor = lwqat::v1::Recipe::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    EXPECT_NE(FindRunField(descriptor->field(i)->name()), nullptr) << descriptor->field(i)->name();
  }
  for (const char* name : {"name", "priority", "numerics_class", "kind_classes", "sensitivity_file", "model",
                           "calib_dataset", "eval_texts", "eval_tasks", "save_quant_dir"}) {
    EXPECT_NE(FindRunField(name), nullptr) << name;
  }
}

TEST(RunFile, ZeroShotTasksAreNamedWithTheirFiles) {
  const auto run = ParseRunFile(
      "eval_tasks: {piqa: items/valid.jsonl, arc_easy: hf://datasets/a/b/f.parquet}\n"
      "eval_texts: [held.txt]\n",
      "run.yaml", "dir");
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->eval_tasks.size(), 2u);
  EXPECT_EQ(run->eval_tasks[0].name, "piqa");
  EXPECT_EQ(run->eval_tasks[0].path, "dir/items/valid.jsonl");
  EXPECT_EQ(run->eval_tasks[1].path, "hf://datasets/a/b/f.parquet");
  EXPECT_EQ(run->eval_texts.size(), 1u);
  RunRequest flags = *run;
  const RunField& field = *FindRunField("eval_tasks");
  ClearRunField(field, &flags);
  ASSERT_TRUE(SetRunField(field, "winogrande=w.jsonl", &flags).ok());
  EXPECT_EQ(flags.eval_tasks.size(), 1u) << "flags replace, not add";
  EXPECT_EQ(flags.eval_tasks[0].name, "winogrande");
  EXPECT_EQ(flags.eval_texts.size(), 1u);
}

TEST(RunFile, EveryKeyHasHelpAndEveryHelpHasAKey) {
  for (const RunField& field : RunFields()) EXPECT_FALSE(field.help.empty()) << field.name;
  for (const auto& [name, help] : FieldHelps()) EXPECT_NE(FindRunField(name), nullptr) << name;
  for (const auto& [name, why] : RefusedFlags()) EXPECT_EQ(FindRunField(name), nullptr) << name;
}

TEST(RunFile, TheWireHasTheFieldsOfTheTableAndTheirTypes) {
  const std::map<RecipeFieldType, FieldType> types = {
      {RecipeFieldType::kWord, FieldType::kText},       {RecipeFieldType::kBool, FieldType::kBool},
      {RecipeFieldType::kInteger, FieldType::kInteger}, {RecipeFieldType::kNumber, FieldType::kNumber},
      {RecipeFieldType::kText, FieldType::kText},       {RecipeFieldType::kIntegers, FieldType::kIntegers},
      {RecipeFieldType::kWords, FieldType::kWords}};
  EXPECT_EQ(lwqat::v1::Recipe::descriptor()->field_count(), std::ssize(RecipeFieldTexts()));
  for (const RecipeFieldText& row : RecipeFieldTexts()) {
    const RunField* const field = FindRunField(row.name);
    ASSERT_NE(field, nullptr) << row.name;
    EXPECT_EQ(field->type, types.at(row.type)) << row.name;
  }
}

TEST(RunFile, ValuesOfEveryTypeReachTheSpec) {
  const auto run = ParseRunFile(
      "name: a run\n"
      "model: models/tiny\n"
      "net: Tiny\n"
      "calib_dataset: /abs/calib.jsonl\n"
      "eval_texts: [held-out.txt, {ours: texts/b.txt}]\n"
      "priority: -3\n"
      "preset: strong\n"
      "wbits: 2\n"
      "group_size: -1\n"
      "epochs: 2.5\n"
      "quant_lr: 1e-4\n"
      "wd: 0\n"
      "keep_best: false\n"
      "eval_ppl: true\n",
      "dir/run.yaml", "dir");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->spec.name(), "a run");
  EXPECT_EQ(run->model_path, "dir/models/tiny");
  EXPECT_EQ(run->model_name, "Tiny");
  EXPECT_EQ(run->calib_dataset, "/abs/calib.jsonl");
  ASSERT_EQ(run->eval_texts.size(), 2u);
  EXPECT_EQ(run->eval_texts[0].name, "held-out");
  EXPECT_EQ(run->eval_texts[0].path, "dir/held-out.txt");
  EXPECT_EQ(run->eval_texts[1].name, "ours");
  EXPECT_EQ(run->eval_texts[1].path, "dir/texts/b.txt");
  EXPECT_EQ(run->spec.priority(), -3);
  const auto& recipe = run->spec.recipe();
  EXPECT_EQ(recipe.preset(), "strong");
  EXPECT_EQ(recipe.wbits(), 2);
  EXPECT_EQ(recipe.group_size(), -1);
  EXPECT_EQ(recipe.epochs(), 2.5);
  EXPECT_EQ(recipe.quant_lr(), 1e-4);
  EXPECT_TRUE(recipe.has_wd());
  EXPECT_TRUE(recipe.has_keep_best());
  EXPECT_FALSE(recipe.keep_best());
  EXPECT_TRUE(recipe.eval_ppl());
  EXPECT_FALSE(recipe.has_seed()) << "an absent key must stay absent: the default is the coordinator's";
}

TEST(RunFile, OneEvalTextMayStandAloneOrBeAMapOfNames) {
  const auto single = ParseRunFile("eval_texts: a/held.txt\n", "run.yaml", "");
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_EQ(single->eval_texts.front().name, "held");
  const auto named = ParseRunFile("eval_texts:\n  one: a.txt\n  two: b.txt\n", "run.yaml", "");
  ASSERT_TRUE(named.ok()) << named.status();
  ASSERT_EQ(named->eval_texts.size(), 2u);
  EXPECT_EQ(named->eval_texts[1].name, "two");
}

TEST(RunFile, IntegersMayBeAListOrATextWithCommas) {
  for (const char* text : {"sensitivity_bits: [2, 3, 4]\n", "sensitivity_bits: 2,3,4\n",
                           "sensitivity_bits: \"2, 3, 4\"\n", "sensitivity_bits:\n- 2\n- 3\n- 4\n"}) {
    const auto run = ParseRunFile(text, "run.yaml", "");
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->spec.recipe().sensitivity_bits(), "2,3,4") << text;
  }
  EXPECT_EQ(
      ParseRunFile("sensitivity_group_sizes: [-1, 64]\n", "run.yaml", "")->spec.recipe().sensitivity_group_sizes(),
      "-1,64");
  EXPECT_EQ(ParseRunFile("sensitivity_group_sizes: 128\n", "run.yaml", "")->spec.recipe().sensitivity_group_sizes(),
            "128");
}

TEST(RunFile, ClassesOfKindsAreAMap) {
  const auto run = ParseRunFile(
      "kind_classes:\n  advance: Zen 5|avx512|torch=1.13\n  train_block: \"A100|sm80|torch\"\n", "run.yaml", "");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->spec.kind_classes(),
              testing::UnorderedElementsAre(testing::Pair("advance", "Zen 5|avx512|torch=1.13"),
                                            testing::Pair("train_block", "A100|sm80|torch")));
}

TEST(RunFile, EveryPolicyKeyReachesTheRecipe) {
  const auto run = ParseRunFile(
      "method: sensitivity\nsensitivity_metric: hessian\nhessian_scope: model\npilot_epochs: 0.5\n"
      "layer_ordering: sensitivity\nreorder_every: 4\nblock_grouping: 2\nblock_grouping_factor: 1.25\n"
      "handoff: relay\nuse_mixed_precision: true\ntarget_avg_bits: 2.5\nmpq_strategy: optimal\n"
      "target_size_mb: 3500\nablation: all\npolicy_semantics: author\n",
      "run.yaml", "");
  ASSERT_TRUE(run.ok()) << run.status();
  const auto& recipe = run->spec.recipe();
  EXPECT_EQ(recipe.method(), "sensitivity");
  EXPECT_EQ(recipe.sensitivity_metric(), "hessian");
  EXPECT_EQ(recipe.hessian_scope(), "model");
  EXPECT_EQ(recipe.pilot_epochs(), 0.5);
  EXPECT_EQ(recipe.layer_ordering(), "sensitivity");
  EXPECT_EQ(recipe.reorder_every(), 4);
  EXPECT_EQ(recipe.block_grouping(), "2");
  EXPECT_EQ(recipe.block_grouping_factor(), 1.25);
  EXPECT_EQ(recipe.handoff(), "relay");
  EXPECT_TRUE(recipe.use_mixed_precision());
  EXPECT_EQ(recipe.target_avg_bits(), 2.5);
  EXPECT_EQ(recipe.mpq_strategy(), "optimal");
  EXPECT_EQ(recipe.target_size_mb(), 3500);
  EXPECT_EQ(recipe.ablation(), "all");
  EXPECT_EQ(recipe.policy_semantics(), "author");
}

TEST(RunFile, TheFileGivesTheNameWhereNoneIsWritten) {
  const auto run = ParseRunFile("wbits: 4\n", "dir/w4.yaml", "dir");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->spec.name(), "w4");
}

TEST(RunFile, RemotePathsAreNotJoinedToTheFolder) {
  const auto run = ParseRunFile("model: hf://org/name\n", "dir/run.yaml", "dir");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->model_path, "hf://org/name");
}

struct BadFile {
  std::string name;
  std::string text;
  std::string message;
};
void PrintTo(const BadFile& bad, std::ostream* out) {
  *out << bad.name;
}

class BadRunFile : public testing::TestWithParam<BadFile> {};

TEST_P(BadRunFile, IsRefusedWithOneLine) {
  const auto run = ParseRunFile(GetParam().text, "run.yaml", "");
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(run.status()), GetParam().message);
  EXPECT_THAT(std::string(MessageOf(run.status())), Not(HasSubstr("\n")));
}

std::string Deep(const std::string& open, int depth) {
  std::string text = "name: ";
  for (int i = 0; i < depth; ++i) text += open;
  return text;
}

std::string ManyItems() {
  std::string text = "eval_texts:\n";
  for (int i = 0; i < 10'001; ++i) text += "- a.txt\n";
  return text;
}

const BadFile kBadFiles[] = {
    {"UnknownKey", "model: m\nwbit: 2\n", "run.yaml:2:1: unknown key \"wbit\"; did you mean wbits?"},
    {"KeyWithDashes", "group-size: 64\n", "run.yaml:1:1: unknown key \"group-size\"; did you mean group_size?"},
    {"KeyInOtherCase", "Epochs: 2\n", "run.yaml:1:1: unknown key \"Epochs\"; did you mean epochs?"},
    {"SwappedLetters", "sede: 2\n", "run.yaml:1:1: unknown key \"sede\"; did you mean seed?"},
    {"KeyLikeNoOther", "temperature: 1\n",
     "run.yaml:1:1: unknown key \"temperature\"; lwq submit --help lists the keys of a run"},
    {"EfficientQatCacheDir", "model: m\ncache_dir: ./cache\n",
     "run.yaml:2:1: key \"cache_dir\" of EfficientQAT has no use here: intermediates live in the object store and in "
     "each "
     "worker's --cache-dir; remove it"},
    {"TextForInteger", "wbits: two\n", "run.yaml:1:8: wbits: expected an integer, got \"two\""},
    {"FractionForInteger", "wbits: 2.5\n", "run.yaml:1:8: wbits: expected an integer, got \"2.5\""},
    {"QuotedInteger", "wbits: \"2\"\n", "run.yaml:1:8: wbits: expected an integer, got the quoted text \"2\""},
    {"IntegerWithUnit", "train_size: 128k\n", "run.yaml:1:13: train_size: expected an integer, got \"128k\""},
    {"HexInteger", "seed: 0x10\n", "run.yaml:1:7: seed: expected an integer, got \"0x10\""},
    {"TwoSigns", "seed: +-1\n", "run.yaml:1:7: seed: expected an integer, got \"+-1\""},
    {"Int32Overflow", "wbits: 2147483648\n", "run.yaml:1:8: wbits: 2147483648 does not fit 32 bits"},
    {"Int64Overflow", "train_size: 9223372036854775808\n",
     "run.yaml:1:13: train_size: 9223372036854775808 does not fit 64 bits"},
    {"NegativeInt64Overflow", "group_size: -99999999999999999999\n",
     "run.yaml:1:13: group_size: -99999999999999999999 does not fit 64 bits"},
    {"TextForNumber", "epochs: many\n", "run.yaml:1:9: epochs: expected a number, got \"many\""},
    {"NotANumber", "quant_lr: nan\n", "run.yaml:1:11: quant_lr: expected a number, got \"nan\""},
    {"Infinity", "epochs: inf\n", "run.yaml:1:9: epochs: expected a number, got \"inf\""},
    {"NumberOverflow", "epochs: 1e400\n", "run.yaml:1:9: epochs: 1e400 does not fit a 64-bit float"},
    {"NumberForBool", "keep_best: 1\n", "run.yaml:1:12: keep_best: expected true or false, got \"1\""},
    {"YesForBool", "eval_ppl: yes\n", "run.yaml:1:11: eval_ppl: expected true or false, got \"yes\""},
    {"ListForInteger", "wbits: [2, 3]\n", "run.yaml:1:8: wbits: expected an integer, got a list"},
    {"MapForText", "preset: {a: b}\n", "run.yaml:1:9: preset: expected a text, got a mapping"},
    {"ListForPath", "model: [a, b]\n", "run.yaml:1:8: model: expected a path, got a list"},
    {"NothingForInteger", "wbits:\nmodel: m\n",
     "run.yaml:1:1: wbits: expected an integer, got nothing; remove the key to take the default"},
    {"NullForText", "preset: ~\n",
     "run.yaml:1:1: preset: expected a text, got nothing; remove the key to take the default"},
    {"EmptyText", "method: \"\"\n", "run.yaml:1:9: method: expected a text, got an empty text"},
    {"TextForIntegers", "sensitivity_bits: few\n",
     "run.yaml:1:19: sensitivity_bits: expected an integer or a list of integers, got \"few\""},
    {"HoleInIntegers", "sensitivity_bits: 2,,4\n",
     "run.yaml:1:19: sensitivity_bits: expected an integer or a list of integers, got \"2,,4\""},
    {"FractionInIntegers", "sensitivity_group_sizes: [64, 12.5]\n",
     "run.yaml:1:31: sensitivity_group_sizes: expected an integer or a list of integers, got \"12.5\""},
    {"QuotedIntegerInList", "sensitivity_bits: [2, \"3\"]\n",
     "run.yaml:1:23: sensitivity_bits: expected an integer, got the quoted text \"3\""},
    {"ListInIntegers", "sensitivity_bits: [[2, 3]]\n",
     "run.yaml:1:20: sensitivity_bits: expected an integer, got a list"},
    {"MapForIntegers", "sensitivity_bits: {2: 3}\n",
     "run.yaml:1:19: sensitivity_bits: expected an integer or a list of integers, got a mapping"},
    {"EmptyIntegerList", "sensitivity_bits: []\n",
     "run.yaml:1:19: sensitivity_bits: the list is empty; remove the key to take the default"},
    {"ListForOtherText", "block_grouping: [2]\n", "run.yaml:1:17: block_grouping: expected a text, got a list"},
    {"UnknownTaskKind", "kind_classes: {train: A100}\n",
     "run.yaml:1:16: kind_classes: unknown task kind \"train\"; kinds are tokenize, embed, advance, train_block, "
     "rtn_block, evaluate_ppl, reduce_ppl, evaluate_reference, evaluate_kl, reduce_kl, prepare_requests, "
     "score_requests, reduce_accuracy, export, loss_gradient, "
     "backward_block, gradient_norm, output_fisher, "
     "loss_delta, "
     "hessian, "
     "weight_error, search_scales, gptq_block, fit_rounding, train_scales, noop"},
    {"MisspeltTaskKind", "kind_classes: {train_blok: A100}\n",
     "run.yaml:1:16: kind_classes: unknown task kind \"train_blok\"; did you mean train_block?"},
    {"TextForKindClasses", "kind_classes: A100\n",
     "run.yaml:1:15: kind_classes: expected a mapping of \"kind: class\", got \"A100\""},
    {"NothingForKindClasses", "kind_classes:\nwbits: 2\n",
     "run.yaml:1:1: kind_classes: expected a mapping of \"kind: class\", got nothing"},
    {"ListForKindClasses", "kind_classes: [advance]\n",
     "run.yaml:1:15: kind_classes: expected a mapping of \"kind: class\", got a list"},
    {"KindWithoutClass", "kind_classes: {advance: }\n",
     "run.yaml:1:16: kind_classes: expected \"kind: class\", got \"advance\" with nothing"},
    {"KindTwice", "kind_classes:\n  advance: a\n  advance: b\n",
     "run.yaml:3:3: kind_classes: advance is given twice; remove one"},
    {"EmptyTextList", "eval_texts: []\n",
     "run.yaml:1:13: eval_texts: the list is empty; name a text or remove the key"},
    {"NothingInTextList", "eval_texts: [a.txt, ~]\n",
     "run.yaml:1:21: eval_texts: expected a path or a list of paths, got nothing"},
    {"ListInTextList", "eval_texts: [[a.txt]]\n",
     "run.yaml:1:14: eval_texts: expected a path or a list of paths, got a list"},
    {"DuplicateKey", "wbits: 2\nseed: 1\nwbits: 3\n",
     "run.yaml:3:1: key \"wbits\" is given twice, first in line 1; remove one"},
    {"ListAtTheTop", "- wbits: 2\n", "run.yaml:1:1: expected lines of \"key: value\", got a list"},
    {"ScalarAtTheTop", "just words\n", "run.yaml:1:1: expected lines of \"key: value\", got \"just words\""},
    {"ListAsKey", "[a, b]: 1\n", "run.yaml:1:1: expected a key, got a list"},
    {"Empty", "", "run.yaml: is empty; a run file needs at least \"model: DIRECTORY\""},
    {"OnlyComments", "# nothing here\n", "run.yaml: is empty; a run file needs at least \"model: DIRECTORY\""},
    {"TwoDocuments", "wbits: 2\n---\nwbits: 3\n", "run.yaml:2:1: holds more than one document; one file is one run"},
    {"Anchor", "wbits: &a 2\n",
     "run.yaml:1:8: anchors and aliases are not supported in run files; write the value out"},
    {"AnchorBomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
     "run.yaml:1:4: anchors and aliases are not supported in run files; write the value out"},
    {"Tag", "wbits: !!python/object 2\n", "run.yaml:1:8: tags are not supported in run files; remove it"},
    {"MergeKey", "<<: {wbits: 2}\n", "run.yaml:1:1: unknown key \"<<\"; lwq submit --help lists the keys of a run"},
    {"DeepLists", Deep("[", 100'000), "run.yaml:1:11: is nested too deeply; a run file has one key per line"},
    {"DeepMaps", Deep("{a: ", 100'000), "run.yaml:1:35: is nested too deeply; a run file has one key per line"},
    {"ManyItems", ManyItems(), "run.yaml:9999:3: has more than 10000 values; a run file has one key per line"},
    {"TooLarge", std::string((1 << 20) + 1, ' '), "run.yaml: is larger than 1 MiB; a run file has one key per line"},
    {"ZeroByte", std::string("wbits: 2\0\n", 10), "run.yaml: is not a text file; give a YAML file"},
    {"BrokenQuote", "name: \"open\n", "run.yaml:1:7: not valid YAML: the quoted text does not end"},
    {"Tabs", "wbits: 2\n\tseed: 1\n", "run.yaml:2:1: not valid YAML: illegal tab when looking for indentation"},
    {"UnclosedList", "eval_texts: [a.txt\n", "run.yaml:2:1: not valid YAML: end of sequence flow not found"},
};

INSTANTIATE_TEST_SUITE_P(Every, BadRunFile, testing::ValuesIn(kBadFiles),
                         [](const auto& instance) { return instance.param.name; });

TEST(RunFileOnDisk, APathThatIsNoRunFileIsRefusedWithOneLine) {
  const test::TemporaryDirectory folder;
  const std::string absent = folder.path() + "/absent.yaml";
  EXPECT_EQ(MessageOf(ReadRunFile(absent).status()), absent + ": no such run file");
  EXPECT_EQ(MessageOf(ReadRunFile(folder.path()).status()),
            folder.path() + ": is a directory; give a run file (YAML), or a model with --model");
  EXPECT_EQ(MessageOf(ReadRunFile("/dev/null").status()), "/dev/null: is not a regular file; give a run file (YAML)");
  const std::string empty = folder.path() + "/empty.yaml";
  test::WriteFile(empty, "");
  EXPECT_EQ(MessageOf(ReadRunFile(empty).status()),
            empty + ": is empty; a run file needs at least \"model: DIRECTORY\"");
  const std::string large = folder.path() + "/large.yaml";
  test::WriteFile(large, std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(MessageOf(ReadRunFile(large).status()), large + ": is larger than 1 MiB; a run file has one key per line");
}

TEST(RunFileOnDisk, RelativePathsAreRelativeToTheFile) {
  const test::TemporaryDirectory folder;
  test::WriteFile(folder.path() + "/run.yaml", "model: ../models/tiny\n");
  const auto run = ReadRunFile(folder.path() + "/run.yaml");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->model_path, std::filesystem::path(folder.path()).parent_path().string() + "/models/tiny");
}

StatusOr<RunRequest> Complete(const std::string& text) {
  LWQ_ASSIGN_OR_RETURN(RunRequest request, ParseRunFile(text, "run.yaml", ""));
  LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  return request;
}

TEST(CompleteRun, SaysWhatIsMissing) {
  EXPECT_EQ(MessageOf(Complete("wbits: 2\n").status()),
            "run.yaml: no model is given; add \"model: DIRECTORY\" to the run file or --model DIRECTORY");
  EXPECT_EQ(MessageOf(Complete("model: m\n").status()),
            "run.yaml: method block_ap needs calib_dataset: a text file (plain, .jsonl or .json.gz)");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: sensitivity\n").status()),
            "run.yaml: method sensitivity needs calib_dataset: a text file (plain, .jsonl or .json.gz)");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: rtn\neval_ppl: true\n").status()),
            "run.yaml: eval_ppl is on but eval_texts names no text; add one or remove eval_ppl");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: rtn\neval_kl: true\n").status()),
            "run.yaml: eval_kl is on but eval_texts names no text; add one or remove eval_kl");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: rtn\neval_tasks: [valid.jsonl]\n").status()),
            "run.yaml: eval_tasks: there is no task \"valid\"; write TASK=FILE, TASK one of piqa, arc_easy, "
            "arc_challenge, hellaswag, winogrande, boolq, openbookqa, lambada_openai, lambada_standard, wikitext");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: rtn\neval_tasks: [{piqa: a.jsonl}, {piqa: b.jsonl}]\n").status()),
            "run.yaml: eval_tasks: \"piqa\" is given twice, or as the name of a text; name it once");
  EXPECT_EQ(MessageOf(Complete("model: m\nmethod: rtn\neval_texts: [a/t.txt, b/t.txt]\n").status()),
            "run.yaml: eval_texts: two texts are named \"t\"; give them names of their own (\"name: path\")");
}

TEST(CompleteRun, RealQuantMeansAnExportFormatUnlessOneIsNamed) {
  EXPECT_EQ(Complete("model: m\nmethod: rtn\nreal_quant: true\n")->spec.recipe().export_format(), "gptq_v2");
  EXPECT_EQ(Complete("model: m\nmethod: rtn\nreal_quant: false\n")->spec.recipe().export_format(), "fake_quant");
  EXPECT_EQ(Complete("model: m\nmethod: rtn\nreal_quant: true\nexport_format: none\n")->spec.recipe().export_format(),
            "none");
  EXPECT_FALSE(Complete("model: m\nmethod: rtn\n")->spec.recipe().has_export_format());
}

TEST(CompleteRun, TheModelIsNamedAfterItsFolder) {
  EXPECT_EQ(Complete("model: models/tiny/\nmethod: rtn\n")->model_name, "tiny");
  EXPECT_EQ(Complete("model: models/tiny\nnet: T\nmethod: rtn\n")->model_name, "T");
}

TEST(CompleteRun, NoopNeedsNoModel) {
  EXPECT_TRUE(Complete("method: noop\n").ok());
}

TEST(Suggestion, CountsEditsAndSwaps) {
  EXPECT_EQ(EditDistance("wbits", "wbits"), 0);
  EXPECT_EQ(EditDistance("wbit", "wbits"), 1);
  EXPECT_EQ(EditDistance("wbtis", "wbits"), 1);
  EXPECT_EQ(EditDistance("Group-Size", "group_size"), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
}

TEST(Suggestion, NamesNothingThatIsTooFarAway) {
  EXPECT_EQ(NearestName("x", {"wbits"}), "");
  EXPECT_EQ(NearestName(std::string(1000, 'w'), {"wbits"}), "");
  EXPECT_EQ(NearestName("quant_l", {"weight_lr", "quant_lr"}), "quant_lr");
}

TEST(TextNames, LoseFolderAndKind) {
  EXPECT_EQ(NameOfPath("a/b/held-out.txt"), "held-out");
  EXPECT_EQ(NameOfPath("c4.json.gz"), "c4");
  EXPECT_EQ(NameOfPath("w2.g128.yaml"), "w2.g128");
  EXPECT_EQ(NameOfPath("plain"), "plain");
}

}  // namespace
}  // namespace lwq::client
