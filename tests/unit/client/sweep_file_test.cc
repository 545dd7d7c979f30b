// SPDX-License-Identifier: Apache-2.0
// Sweep files: the runs they stand for, and the one line each kind of mistake gets.
#include "client/run_file/sweep_file.h"

#include <filesystem>
#include <set>

#include "client/run_file/read_run_file.h"
#include "client/run_file/run_fields.h"
#include "client/run_file/run_values.h"
#include "client/run_file/sweep_runs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

StatusOr<SweepRuns> Expand(const std::string& text) {
  LWQ_ASSIGN_OR_RETURN(const SweepFile file, ParseSweepFile(text, "sweep.yaml", "dir"));
  return RunsOfSweep(file);
}

std::vector<std::string> RunNames(const StatusOr<SweepRuns>& sweep) {
  if (!sweep.ok()) return {sweep.status().ToString()};
  std::vector<std::string> names;
  for (const RunRequest& request : sweep->requests) names.push_back(request.spec.name());
  return names;
}

constexpr char kBase[] = "base: {model: m, calib_dataset: c.txt, eval_ppl: false}\n";

TEST(SweepFile, ArmsAreRunRequestsAsRunFilesGiveThem) {
  const auto sweep = Expand(
      "name: my sweep\n"
      "base:\n"
      "  model: m\n"
      "  calib_dataset: /abs/c.txt\n"
      "  eval_texts: [held.txt]\n"
      "  epochs: 2.5\n"
      "axes:\n"
      "  grid:\n"
      "    wbits: [2, 3]\n"
      "seeds: [7]\n");
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  ASSERT_EQ(sweep->requests.size(), 2u);
  auto file = ParseRunFile(
      "name: my sweep wbits=3\nmodel: m\ncalib_dataset: /abs/c.txt\neval_texts: [held.txt]\n"
      "epochs: 2.5\nwbits: 3\nseed: 7\n",
      "run.yaml", "dir");
  ASSERT_TRUE(file.ok() && CompleteRunRequest(&*file).ok());
  const RunRequest& arm = sweep->requests[1];
  EXPECT_EQ(arm.spec.SerializeAsString(), file->spec.SerializeAsString());
  EXPECT_EQ(arm.model_path, "dir/m");
  EXPECT_EQ(arm.model_name, file->model_name);
  EXPECT_EQ(arm.calib_dataset, file->calib_dataset);
  EXPECT_EQ(arm.eval_texts[0].path, "dir/held.txt");
  EXPECT_EQ(arm.origin, "sweep.yaml: arm wbits=3");
  EXPECT_THAT(sweep->arms[1].labels, ElementsAre(Pair("wbits", "3"), Pair("seed", "7")));
}

// A value for each key, as YAML.
std::string SomeValue(const RunField& field) {
  switch (field.type) {
    case FieldType::kBool:
      return "true";
    case FieldType::kInteger:
      return "3";
    case FieldType::kNumber:
      return "1e-4";
    case FieldType::kText:
    case FieldType::kPath:
      return field.choices.empty() ? "words" : field.choices.front();
    case FieldType::kTexts:
      return "[{a: x.txt}, y.txt]";
    case FieldType::kIntegers:
      return "[2, 3]";
    case FieldType::kWords:
      return "[vllm, transformers]";
    case FieldType::kClasses:
      return "{advance: A100}";
  }
  return "";
}

TEST(SweepFile, EveryKeyOfARunCanBeAnAxisWithTheValueARunFileGives) {
  for (const RunField& field : RunFields()) {
    if (field.name == "name") continue;
    const auto sweep = ParseSweepFile("axes: {grid: {" + field.name + ": [" + SomeValue(field) + "]}}\n", "s", "dir");
    ASSERT_TRUE(sweep.ok()) << field.name << ": " << sweep.status();
    const auto file = ParseRunFile(field.name + ": " + SomeValue(field) + "\n", "r", "dir");
    ASSERT_TRUE(file.ok()) << field.name << ": " << file.status();
    const Json& value = sweep->sweep.axes.parts[0].parts[0].parts[0].values[0].value;
    EXPECT_EQ(value, RunValue(field, *file)) << field.name;
    RunRequest request;
    ASSERT_TRUE(SetRunValue(field, value, &request).ok()) << field.name;
    EXPECT_EQ(RunValue(field, request), RunValue(field, *file)) << field.name;
  }
}

TEST(SweepFile, ASampleIsSoManyPointsOfASpace) {
  const std::string text = std::string(kBase) +
                           "name: s\n"
                           "axes:\n"
                           "  grid:\n"
                           "    wbits: [2, 3]\n"
                           "    of:\n"
                           "    - sample:\n"
                           "        count: 4\n"
                           "        seed: 1\n"
                           "        from:\n"
                           "          quant_lr: {low: 1e-5, high: 1e-3, log: true}\n"
                           "          epochs: {low: 1, high: 4, int: true}\n"
                           "          lr_schedule: {choice: [cosine, chained_cosine]}\n";
  EXPECT_THAT(RunNames(Expand(text)), ElementsAre("s wbits=2 quant_lr=6.859e-05 epochs=4 lr_schedule=chained_cosine",
                                                  "s wbits=2 quant_lr=0.0005953 epochs=1 lr_schedule=cosine",
                                                  "s wbits=2 quant_lr=0.0002871 epochs=3 lr_schedule=chained_cosine",
                                                  "s wbits=2 quant_lr=1.469e-05 epochs=2 lr_schedule=cosine",
                                                  "s wbits=3 quant_lr=6.859e-05 epochs=4 lr_schedule=chained_cosine",
                                                  "s wbits=3 quant_lr=0.0005953 epochs=1 lr_schedule=cosine",
                                                  "s wbits=3 quant_lr=0.0002871 epochs=3 lr_schedule=chained_cosine",
                                                  "s wbits=3 quant_lr=1.469e-05 epochs=2 lr_schedule=cosine"));
}

TEST(SweepFile, WhatASamplePrintsIsExactlyWhatItsRunsGet) {
  const auto sweep =
      Expand(std::string(kBase) +
             "axes: {sample: {count: 64, from: {quant_lr: {low: 1e-5, high: 1e-3, log: true}, weight_lr: "
             "{low: 2e-6, high: 3e-6}, batch_size: {low: 1, high: 16}}}}\n");
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  ASSERT_EQ(sweep->requests.size(), 64u);
  std::set<double> rates;
  for (size_t i = 0; i < sweep->arms.size(); ++i) {
    for (const auto& [key, label] : sweep->arms[i].labels) {
      RunRequest read;
      ASSERT_TRUE(SetRunField(*FindRunField(key), label, &read).ok()) << key << " " << label;
      EXPECT_EQ(RunValue(*FindRunField(key), read), RunValue(*FindRunField(key), sweep->requests[i])) << key;
      EXPECT_LE(label.size(), 10u) << key << " " << label;
    }
    const double rate = sweep->requests[i].spec.recipe().quant_lr();
    EXPECT_TRUE(rate >= 1e-5 && rate <= 1e-3) << rate;
    rates.insert(rate);
  }
  EXPECT_EQ(rates.size(), 64u);
}

TEST(SweepFile, ALargerSampleKeepsTheRunsOfASmallerOne) {
  const auto names = [](int count) {
    return RunNames(Expand(std::string(kBase) + "name: s\naxes: {sample: {count: " + std::to_string(count) +
                           ", seed: 7, from: {quant_lr: {low: 1e-5, high: 1e-3, log: true}}}}\n"));
  };
  const std::vector<std::string> few = names(5);
  std::vector<std::string> many = names(12);
  ASSERT_EQ(many.size(), 12u);
  many.resize(5);
  EXPECT_EQ(many, few);
}

TEST(SweepFile, EachMistakeInASampleIsOneLineWithItsPlace) {
  const std::string from = "axes: {sample: {count: 4, from: {quant_lr: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"axes: {sample: [1]}\n", "s:1:16: sample: expected a mapping of count, seed and from, got a list"},
      {"axes: {sample: {count: 4}}\n", "s:1:8: sample: has no from; give it keys with ranges"},
      {"axes: {sample: {from: {quant_lr: [1e-4, 1e-3]}}}\n",
       "s:1:8: sample: has no count; say how many points are drawn"},
      {"axes: {sample: {cuont: 4}}\n", "s:1:17: sample: unknown key \"cuont\"; did you mean count?"},
      {"axes: {sample: {count: -1}}\n", "s:1:24: count: -1 is not within 1 to 100000"},
      {"axes: {sample: {count: 4, from: {name: [a, b]}}}\n",
       "s:1:34: name: runs of a sweep are named by their arms; the sweep's own name stands beside base"},
      {from + "[1e-4, much]}}}\n", "s:1:51: quant_lr: expected a number, got \"much\""},
      {from + "[1e-4, 0.0001]}}}\n", "s:1:44: quant_lr: the value \"0.0001\" is given twice; remove one"},
      {from + "{low: -1, high: 1}}}}\n", "s:1:44: quant_lr: low -1 is not within 0 to 10; give a narrower range"},
      {from + "{low: 1, high: 2, step: 0.3}}}}\n",
       "s:1:44: quant_lr: step 0.3 does not divide the range from 1 to 2; the nearest end it reaches is 1.9"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_EQ(MessageOf(ParseSweepFile(text, "s", "dir").status()), error) << text;
  }
  EXPECT_EQ(MessageOf(Expand(std::string(kBase) + "axes: {grid: {quant_lr: [1e-4], of: [{sample: {count: 2, from: "
                                                  "{quant_lr: {low: 1e-5, high: 1e-3}}}}]}}\n")
                          .status()),
            "sweep.yaml:2:38: key \"quant_lr\" is set by two axes at once; remove one");
}

TEST(SweepFile, NodesNest) {
  EXPECT_THAT(RunNames(Expand(std::string(kBase) + "name: s\n"
                                                   "axes:\n"
                                                   "  grid:\n"
                                                   "    group_size: [64, 128]\n"
                                                   "    of:\n"
                                                   "    - zip: {wbits: [2, 4], epochs: [4, 2]}\n"
                                                   "    - list:\n"
                                                   "      - {layer_ordering: random}\n"
                                                   "      - {handoff: relay, grid: {relay_epochs: [0.5, 1.0]}}\n")),
              ElementsAre("s group_size=64 wbits=2 epochs=4 layer_ordering=random",
                          "s group_size=64 wbits=2 epochs=4 handoff=relay relay_epochs=0.5",
                          "s group_size=64 wbits=2 epochs=4 handoff=relay relay_epochs=1",
                          "s group_size=64 wbits=4 epochs=2 layer_ordering=random",
                          "s group_size=64 wbits=4 epochs=2 handoff=relay relay_epochs=0.5",
                          "s group_size=64 wbits=4 epochs=2 handoff=relay relay_epochs=1",
                          "s group_size=128 wbits=2 epochs=4 layer_ordering=random",
                          "s group_size=128 wbits=2 epochs=4 handoff=relay relay_epochs=0.5",
                          "s group_size=128 wbits=2 epochs=4 handoff=relay relay_epochs=1",
                          "s group_size=128 wbits=4 epochs=2 layer_ordering=random",
                          "s group_size=128 wbits=4 epochs=2 handoff=relay relay_epochs=0.5",
                          "s group_size=128 wbits=4 epochs=2 handoff=relay relay_epochs=1"));
}

TEST(SweepFile, NamedArmsMeetAxesSeedsAndConditions) {
  const auto sweep = Expand(std::string(kBase) +
                            "arms:\n"
                            "- {name: rtn, method: rtn}\n"
                            "- {name: mpq, ablation: mpq_only, grid: {mpq_strategy: [adaptive, optimal]}}\n"
                            "axes: {grid: {wbits: [2, 4]}}\n"
                            "seeds: [1, 2]\n"
                            "only_if:\n"
                            "  seed: {arm: mpq}\n"
                            "exclude:\n"
                            "- {mpq_strategy: optimal, wbits: [4, 8]}\n");
  EXPECT_THAT(
      RunNames(sweep),
      ElementsAre("sweep rtn wbits=2", "sweep rtn wbits=4", "sweep mpq mpq_strategy=adaptive wbits=2 seed=1",
                  "sweep mpq mpq_strategy=adaptive wbits=2 seed=2", "sweep mpq mpq_strategy=adaptive wbits=4 seed=1",
                  "sweep mpq mpq_strategy=adaptive wbits=4 seed=2", "sweep mpq mpq_strategy=optimal wbits=2 seed=1",
                  "sweep mpq mpq_strategy=optimal wbits=2 seed=2"));
  EXPECT_FALSE(sweep->requests[0].spec.recipe().has_seed());
  EXPECT_EQ(sweep->requests[2].spec.recipe().ablation(), "mpq_only");
  EXPECT_THAT(sweep->remarks, IsEmpty());
}

TEST(SweepFile, ModelsAreCalledByTheirNames) {
  const auto sweep = Expand(
      "models: {small: models/a, large: models/b, spare: models/c}\n"
      "base: {method: rtn, eval_ppl: false}\n"
      "axes: {grid: {model: [small, large, models/d]}}\n"
      "exclude: [{model: small}]\n");
  ASSERT_EQ(RunNames(sweep), (std::vector<std::string>{"sweep model=large", "sweep model=d"}));
  EXPECT_EQ(sweep->requests[0].model_path, "dir/models/b");
  EXPECT_EQ(sweep->requests[0].model_name, "large");
  EXPECT_EQ(sweep->requests[1].model_name, "d");
  EXPECT_THAT(sweep->remarks, ElementsAre("sweep.yaml: no run uses the model \"spare\" of models"));
}

TEST(SweepFile, TheBaseMayBeARunFile) {
  test::TemporaryDirectory folder;
  std::filesystem::create_directory(folder.path() + "/runs");
  test::WriteFile(folder.path() + "/runs/run.yaml", "name: mine\nmodel: m\nmethod: rtn\neval_ppl: false\nwbits: 2\n");
  test::WriteFile(folder.path() + "/s.yaml", "base: runs/run.yaml\naxes: {grid: {group_size: [64, 128]}}\n");
  const auto sweep = LoadSweep(folder.path() + "/s.yaml", RunFlags());
  EXPECT_THAT(RunNames(sweep), ElementsAre("s group_size=64", "s group_size=128"));
  EXPECT_EQ(sweep->requests[0].model_path, folder.path() + "/runs/m");
  EXPECT_EQ(sweep->requests[0].spec.recipe().wbits(), 2);
  EXPECT_TRUE(IsSweepFile(folder.path() + "/s.yaml"));
  EXPECT_FALSE(IsSweepFile(folder.path() + "/runs/run.yaml"));
  EXPECT_FALSE(IsSweepFile(folder.path() + "/absent.yaml"));
  test::WriteFile(folder.path() + "/damaged.yaml", "base: a\naxes: {grid: [}\n");
  EXPECT_TRUE(IsSweepFile(folder.path() + "/damaged.yaml")) << "so that it is refused as a sweep";
  EXPECT_EQ(LoadSweep(folder.path() + "/t.yaml", RunFlags()).status().message(),
            folder.path() + "/t.yaml: no such sweep file");
}

TEST(SweepFile, FlagsArePartOfTheBaseButNoAxis) {
  test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/s.yaml";
  test::WriteFile(path, std::string(kBase) + "axes: {grid: {wbits: [2, 3]}}\n");
  RunFlags flags;
  flags.values = {{"epochs", {"3"}}, {"name", {"mine"}}, {"group_size", {}}};
  const auto sweep = LoadSweep(path, flags);
  EXPECT_THAT(RunNames(sweep), ElementsAre("mine wbits=2", "mine wbits=3"));
  EXPECT_EQ(sweep->requests[0].spec.recipe().epochs(), 3);
  flags.values["wbits"] = {"4"};
  EXPECT_EQ(LoadSweep(path, flags).status().message(),
            "--wbits: the sweep " + path + " sets wbits itself; leave the flag out or change the file");
}

TEST(SweepFile, HalvingSaysWhatItSaysAndLeavesTheRestOpen) {
  const auto halving = [](const std::string& text) {
    const auto file = ParseSweepFile("seeds: [1]\n" + text, "sweep.yaml", "");
    LWQ_CHECK(file.ok(), file.status().ToString());
    return file->halving;
  };
  EXPECT_FALSE(halving("").has_value());
  const auto open = halving("halving: {}\n");
  ASSERT_TRUE(open.has_value());
  EXPECT_EQ(open->ByteSizeLong(), 0u) << "the coordinator has the defaults";
  const auto given = halving("halving: {metric: perplexity, min_blocks: 2, eta: 4, order: asynchronous}\n");
  EXPECT_EQ(given->metric(), "perplexity");
  EXPECT_EQ(given->min_blocks(), 2);
  EXPECT_EQ(given->eta(), 4);
  EXPECT_EQ(given->order(), "asynchronous");
}

struct BadSweepText {
  const char* name;
  std::string text;
  const char* message;
};
void PrintTo(const BadSweepText& bad, std::ostream* out) {
  *out << bad.name;
}

class BadSweepFile : public testing::TestWithParam<BadSweepText> {};

TEST_P(BadSweepFile, IsRefusedWithOneLineAndItsPlace) {
  const Status status = Expand(GetParam().text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(status), std::string("sweep.yaml") + GetParam().message);
}

std::string Deep(int depth) {
  std::string text = "axes: {list: [";
  for (int i = 0; i < depth; ++i) text += "{list: [";
  return text;
}

const BadSweepText kBadSweepTexts[] = {
    {"Empty", "", ": is empty; a sweep needs base, and axes or arms"},
    {"NoMapping", "- 1\n", ":1:1: expected lines of \"key: value\", got a list"},
    {"NoAxes", kBase, ": has neither axes nor arms nor seeds; a file of one run is for lwq submit"},
    {"UnknownKey", "axis: {}\n", ":1:1: unknown key \"axis\"; did you mean axes?"},
    {"StrangeKey", "zebra: 1\n",
     ":1:1: unknown key \"zebra\"; the keys of a sweep are name, base, models, arms, axes, seeds, exclude, only_if and "
     "halving"},
    {"RunKeyAtTheTop", "axes: {}\nwbits: 2\n", ":2:1: wbits is a key of a run; put it under base, or into an axis"},
    {"KeyTwice", "seeds: [1]\nseeds: [2]\n", ":2:1: key \"seeds\" is given twice, first in line 1; remove one"},
    {"AxisTwice", "axes:\n  grid:\n    wbits: [2]\n    wbits: [3]\n",
     ":4:5: key \"wbits\" is given twice, first in line 3; remove one"},
    {"UnknownAxis", "axes:\n  grid: {wbit: [2]}\n", ":2:10: unknown key \"wbit\"; did you mean wbits?"},
    {"EfficientQatKey", "axes:\n  grid: {max_memory: [2]}\n",
     ":2:10: key \"max_memory\" of EfficientQAT has no use here: memory is a limit of the worker: lwq-worker "
     "--memory-limit-bytes, lwq local --memory-limit-bytes"},
    {"BadValue", "axes:\n  grid:\n    wbits: [2, two]\n", ":3:16: wbits: expected an integer, got \"two\""},
    {"QuotedNumber", "axes: {zip: {wbits: [\"2\"]}}\n", ":1:22: wbits: expected an integer, got the quoted text \"2\""},
    {"NoValues", "axes:\n  grid:\n    wbits: []\n", ":3:5: wbits: has no values; give some or remove the key"},
    {"ValueTwice", "axes:\n  grid:\n    quant_lr: [1e-4, 0.0001]\n",
     ":3:5: quant_lr: the value \"0.0001\" is given twice; remove one"},
    {"NullValue", "axes:\n  grid:\n    wbits: [~]\n",
     ":3:5: wbits: expected an integer, got nothing; remove the key to take the default"},
    {"ValueInsteadOfList", "axes: {grid: {wbits: 2}}\n",
     ":1:22: wbits: expected a list of values; one value for all runs belongs under base, got \"2\""},
    {"ListInsteadOfValue", "axes: {wbits: [2, 3]}\n",
     ":1:15: wbits: expected an integer, got a list; several values belong into a grid, zip or list of axes"},
    {"EmptyAxes", "axes: {}\n", ":1:1: axes: is empty; give it a grid, zip, list or sample"},
    {"EmptyGrid", "axes:\n  grid: {}\n", ":2:3: grid: is empty; give it axes"},
    {"EmptyList", "axes:\n  list: []\n", ":2:3: list: is empty; give it alternatives or remove it"},
    {"EmptyArms", "arms: []\n", ":1:1: arms: is empty; give it arms or remove it"},
    {"UnequalZip", "axes:\n  zip:\n    wbits: [2, 3, 4]\n    seed: [1, 2]\n",
     ":4:5: zip: wbits has 3 values and seed has 2; give both as many"},
    {"KeyInTwoAxes", "axes:\n  grid:\n    seed: [1, 2]\nseeds: [3]\n",
     ":4:1: key \"seed\" is set by two axes at once; remove one"},
    {"NameInBase", "base: {name: a}\nseeds: [1]\n",
     ":1:8: name: runs of a sweep are named by their arms; the sweep's own name stands beside base"},
    {"NameInAnAxis", "axes: {grid: {name: [a]}}\n",
     ":1:15: name: runs of a sweep are named by their arms; the sweep's own name stands beside base"},
    {"ArmWithoutName", "arms: [{wbits: 2}]\n", ":1:8: an arm needs a name; add \"name: TEXT\", or use a list of axes"},
    {"ArmsOfOneName", "arms: [{name: a, wbits: 2}, {name: a, wbits: 3}]\n",
     ":1:36: two arms are named \"a\"; rename one"},
    {"UnknownArm", "arms: [{name: mpq}, {name: sgra}]\nexclude: [{arm: sgrl}]\n",
     ":2:17: arm: no arm is named \"sgrl\"; did you mean sgra?"},
    {"UnknownModel", "models: {small: a, large: b}\naxes: {grid: {model: [smal]}}\n",
     ":2:23: model: models has no \"smal\"; did you mean small?"},
    {"ModelWithASlash", "models: {a/b: c}\nseeds: [1]\n", ":1:10: models: expected a name without \"/\", got \"a/b\""},
    {"ConditionNoList", "seeds: [1]\nexclude: {seed: 1}\n",
     ":2:10: exclude: expected a list of conditions, got a mapping"},
    {"EmptyCondition", "seeds: [1]\nexclude: [{}]\n", ":2:11: the condition is empty; name a key and its values"},
    {"UnknownKeyInACondition", "seeds: [1]\nexclude: [{sede: 1}]\n", ":2:12: unknown key \"sede\"; did you mean seed?"},
    {"BadValueInACondition", "seeds: [1]\nexclude: [{seed: one}]\n", ":2:18: seed: expected an integer, got \"one\""},
    {"OnlyIfForNoAxis", "seeds: [1]\nonly_if: {wbits: {seed: 1}}\n",
     ":2:18: only_if: no axis sets wbits; add it to the axes or remove it"},
    {"NothingLeft", "seeds: [1]\nexclude: [{seed: 1}]\n",
     ": no arm is left: exclude drops them all; remove a condition"},
    {"ManyCombinations",
     "axes:\n  zip:\n    of:\n    - grid: {seed: [1,2,3,4,5,6,7,8,9,10], wbits: [1,2,3,4,5,6,7,8,9,10], group_size: "
     "[1,2,3,4,5,6,7,8,9,10], train_size: [1,2,3,4,5,6,7,8,9,10], val_size: [1,2,3,4,5,6,7,8,9,10], epochs: [1,2]}\n",
     ":4:7: makes more than 100000 combinations; take values or axes out"},
    {"HalvingAlone", std::string(kBase) + "halving: {}\n",
     ": has neither axes nor arms nor seeds; a file of one run is for lwq submit"},
    {"HalvingNoMapping", "seeds: [1]\nhalving: block_loss\n",
     ":2:10: halving: expected a mapping of metric, min_blocks, eta and order, got \"block_loss\""},
    {"UnknownKeyOfHalving", "seeds: [1]\nhalving: {min_block: 1}\n",
     ":2:11: unknown key \"min_block\"; did you mean min_blocks?"},
    {"StrangeKeyOfHalving", "seeds: [1]\nhalving: {brackets: 1}\n",
     ":2:11: unknown key \"brackets\"; the keys of halving are metric, min_blocks, eta and order"},
    {"KeyOfHalvingTwice", "seeds: [1]\nhalving: {eta: 2, eta: 3}\n",
     ":2:19: key \"eta\" is given twice, first in line 2; remove one"},
    {"UnknownMetric", "seeds: [1]\nhalving: {metric: accuracy}\n",
     ":2:19: metric: expected block_loss or perplexity, got \"accuracy\""},
    {"UnknownOrder", "seeds: [1]\nhalving: {order: [synchronous]}\n",
     ":2:18: order: expected synchronous or asynchronous, got a list"},
    {"NoBlocks", "seeds: [1]\nhalving: {min_blocks: 0}\n", ":2:23: min_blocks: 0 is not within 1 to 1000000"},
    {"EtaOfOne", "seeds: [1]\nhalving: {eta: 1}\n", ":2:16: eta: 1 is not within 2 to 1000000"},
    {"EtaThatIsNotWhole", "seeds: [1]\nhalving: {eta: 2.5}\n", ":2:16: eta: expected a whole number, got \"2.5\""},
    {"QuotedEta", "seeds: [1]\nhalving: {eta: \"3\"}\n",
     ":2:16: eta: expected a whole number, got the quoted text \"3\""},
    {"Anchor", "axes: &a {grid: {wbits: [2]}}\n",
     ":1:7: anchors and aliases are not supported in sweep files; write the value out"},
    {"TooDeep", Deep(40), ":1:71: is nested too deeply; split the sweep"},
    {"NoModel", "axes: {grid: {wbits: [2, 3]}}\n",
     ": arm wbits=2: no model is given; add \"model: DIRECTORY\" to the run file or --model DIRECTORY"},
    {"OneFolderForAllExports", std::string(kBase) + "axes: {grid: {save_quant_dir: [a, b], wbits: [2, 3]}}\n",
     ": arm save_quant_dir=a wbits=3: save_quant_dir: another arm's export goes to the same folder; leave it out and "
     "use "
     "lwq local --output, or lwq fetch"},
};

INSTANTIATE_TEST_SUITE_P(Every, BadSweepFile, testing::ValuesIn(kBadSweepTexts),
                         [](const auto& instance) { return instance.param.name; });

TEST(SweepFile, GivenAsARunFileIsRefusedByName) {
  EXPECT_EQ(MessageOf(ParseRunFile("base: a\naxes: {}\n", "s.yaml", "").status()),
            "s.yaml:2:1: key \"axes\" makes this a sweep; lwq sweep, lwq plan and lwq local take it");
}

// Each file that is shipped, and how many runs it says it has.
TEST(SweepFile, ExamplesHaveTheRunsTheySay) {
  const std::map<std::string, size_t> runs = {{"ablation", 30},         {"compare-quick", 4},    {"compare-full", 84},
                                              {"week4-validation", 18}, {"week4-ablation", 138}, {"llama-2-7b", 198},
                                              {"halving", 9},           {"one-block", 13},       {"range", 18}};
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(LWQ_SOURCE_DIR) + "/examples/sweeps")) {
    ++files;
    const auto sweep = LoadSweep(entry.path(), RunFlags(), /*config_only=*/true);
    ASSERT_TRUE(sweep.ok()) << sweep.status();
    EXPECT_EQ(sweep->arms.size(), runs.at(entry.path().stem())) << entry.path();
    EXPECT_THAT(sweep->remarks, IsEmpty()) << entry.path();
  }
  EXPECT_EQ(files, runs.size());
}

}  // namespace
}  // namespace lwq::client
