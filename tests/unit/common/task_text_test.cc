// SPDX-License-Identifier: Apache-2.0
// The texts that keys are digests of, beside the trees of values they stand for.
#include "common/task/task_text.h"

#include "gtest/gtest.h"

namespace lwq {
namespace {

Json KeyMaterial(const TaskDef& def) {
  return Json{{"kind", TaskKindName(def.kind)},
              {"version", TraitsOf(def.kind).version},
              {"params", def.params},
              {"numerics_class", def.numerics_class}};
}

Json DerivationTree(const TaskDef& def) {
  Json tree = KeyMaterial(def);
  tree["inputs"] = Json::object();
  for (const auto& [role, input] : def.inputs) {
    if (const auto* leaf = std::get_if<ArtifactRef>(&input)) {
      tree["inputs"][role] = Json{{"content", leaf->digest.hex()}};
    } else {
      const auto& made = std::get<TaskOutputRef>(input);
      tree["inputs"][role] = Json{{"derivation", made.derivation_key.hex()}, {"output", made.output}};
    }
  }
  return tree;
}

Json ActionTree(const TaskDef& def, const std::map<std::string, ArtifactRef>& inputs, int lr_halvings) {
  Json tree = KeyMaterial(def);
  tree["contents"] = Json::object();
  for (const auto& [role, input] : def.inputs) tree["contents"][role] = inputs.at(role).digest.hex();
  if (lr_halvings > 0) tree["lr_halvings"] = lr_halvings;
  return tree;
}

std::vector<TaskDef> Definitions() {
  std::vector<TaskDef> definitions;
  for (const char* text : {"", "plain", "cpu|avx512|torch|fp32|t1", "quo\"te", "back\\slash", "line\nbreak\t\x01",
                           "del\x7f", "caf\xc3\xa9", "not UTF-8 \xff\xfe", "</script>"}) {
    for (const TaskKind kind : {TaskKind::kNoop, TaskKind::kTrainBlock, TaskKind::kExport}) {
      TaskDef def;
      def.kind = kind;
      def.numerics_class = text;
      definitions.push_back(def);
      def.params = Json{{"z", 1}, {"a", {1.5, 1e-9, nullptr, true}}, {text, text}, {"b", {{"y", -3}, {"x", 0.1}}}};
      def.inputs["model"] = ArtifactRef{DigestOf("model"), int64_t{1} << 40};
      definitions.push_back(def);
      def.inputs[text] = TaskOutputRef{DigestOf("a task"), text};
      def.inputs["block.10"] = TaskOutputRef{DigestOf("another"), "block"};
      def.inputs["block.2"] = ArtifactRef{Digest(), 0};
      definitions.push_back(def);
    }
  }
  return definitions;
}

TEST(TaskTextTest, TextsAreTheCanonicalJsonOfTheirTreesWhateverTheWords) {
  for (const TaskDef& def : Definitions()) {
    EXPECT_EQ(DerivationText(def), CanonicalJson(DerivationTree(def)));
    EXPECT_EQ(StoredText(def), CanonicalJson(TaskDefToJson(def)));
    std::map<std::string, ArtifactRef> inputs = {{"unread", {}}};
    for (const auto& [role, input] : def.inputs) inputs[role] = {DigestOf(role), 7};
    for (const int lr_halvings : {0, 2}) {
      EXPECT_EQ(ActionText(def, inputs, lr_halvings), CanonicalJson(ActionTree(def, inputs, lr_halvings)));
    }
  }
}

TEST(TaskTextTest, KeysAreDigestsOfTheTexts) {
  TaskDef def;
  EXPECT_EQ(DerivationText(def), R"({"inputs":{},"kind":"noop","numerics_class":"","params":{},"version":1})");
  EXPECT_EQ(DerivationKeyOf(def), DigestOf(DerivationText(def)));
  EXPECT_EQ(ActionKeyOf(def, {}, 1), DigestOf(ActionText(def, {}, 1)));
}

}  // namespace
}  // namespace lwq
