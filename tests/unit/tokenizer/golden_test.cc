// SPDX-License-Identifier: Apache-2.0
// Ids of the tokenizers library (scripts/check_tokenizers --golden wrote them) for every layout and part.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "common/json/json.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq {
namespace {

Json ReadGolden() {
  std::ifstream in(LWQ_SOURCE_DIR "/tests/unit/tokenizer/golden/tokenizers.json");
  std::stringstream text;
  text << in.rdbuf();
  auto golden = ParseJson(text.str(), "golden");
  EXPECT_TRUE(golden.ok()) << golden.status();
  return golden.ok() ? *std::move(golden) : Json::object();
}

// A base with top-level sections replaced; "model" is merged, tokens are renamed, merges are spelt as "a b" where
// asked.
Json Build(const Json& base, const Json& change) {
  Json tokenizer = base;
  tokenizer["pre_tokenizer"] = tokenizer["normalizer"] = nullptr;
  for (const auto& [key, value] : change.items()) {
    if (key == "model") {
      tokenizer["model"].update(value);
    } else if (key == "rename") {
      Json& vocab = tokenizer["model"]["vocab"];
      for (const auto& [token, name] : value.items()) {
        vocab[name.get<std::string>()] = vocab[token];
        vocab.erase(token);
      }
    } else if (key == "merges_as_text") {
      for (Json& merge : tokenizer["model"]["merges"]) {
        merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
      }
    } else {
      tokenizer[key] = value;
    }
  }
  return tokenizer;
}

TEST(GoldenTokenizers, IdsAreThoseOfTheTokenizersLibrary) {
  const Json golden = ReadGolden();
  ASSERT_GT(golden["layouts"].size(), 60u);
  for (const auto& [name, layout] : golden["layouts"].items()) {
    const std::string file = Build(golden["bases"][layout["base"].get<std::string>()], layout["change"]).dump();
    const auto tokenizer = LoadTokenizer({.tokenizer_json = file});
    ASSERT_TRUE(tokenizer.ok()) << name << ": " << tokenizer.status();
    ASSERT_EQ(layout["texts"].size(), layout["ids"].size());
    for (size_t i = 0; i < layout["texts"].size(); ++i) {
      const auto ids = (*tokenizer)->Encode(layout["texts"][i].get<std::string>());
      ASSERT_TRUE(ids.ok()) << name << ": " << ids.status();
      EXPECT_EQ(Json(*ids), layout["ids"][i]) << name << ": " << layout["texts"][i];
    }
  }
}

}  // namespace
}  // namespace lwq
