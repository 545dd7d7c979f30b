// SPDX-License-Identifier: Apache-2.0
// Full-precision perplexities of stories260K against those of PyTorch 1.13.1 (tests/numerics/README.md), streamed
// through EvaluatePerplexity: from the stored token stream, and from the raw text through our own tokenizer.
#include "common/tokenizer/load_tokenizer.h"
#include "common/tokenizer/tokenizer.h"
#include "tests/numerics/qat/reference_model.h"

namespace lwq::qat {
namespace {

class PerplexityTest : public ::testing::Test {
 protected:
  void SetUp() override { LWQ_NEEDS_REFERENCE(); }

  static PerplexityResult Measure(MemorySamples windows, int64_t micro_batch) {
    static const ReferenceModel* const model = new ReferenceModel(LoadReferenceModel("stories260k"));
    const CancelToken cancel;
    PerplexityOptions options;
    options.micro_batch = micro_batch;
    options.scratch_directory = ::testing::TempDir();
    const auto result = EvaluatePerplexity(
        model->config, model->head, [](int64_t k) -> StatusOr<BlockState> { return model->blocks[k]; }, windows,
        options, nullptr, cancel);
    LWQ_CHECK(result.ok(), result.status().ToString());
    return *result;
  }

  // `stream` is what the entry of ppl.json was measured on, BOS included or not.
  static void ExpectEntry(const std::vector<int32_t>& stream, const Json& expected) {
    ASSERT_EQ(static_cast<int64_t>(stream.size()), expected["n_tokens_stream"].get<int64_t>());
    const int64_t max_windows = expected["max_chunks"].is_null() ? 0 : expected["max_chunks"].get<int64_t>();
    const PerplexityResult result = Measure(CutWindows(stream, expected["seqlen"], max_windows), /*micro_batch=*/8);
    EXPECT_EQ(result.windows, expected["num_chunks"].get<int64_t>());
    EXPECT_EQ(result.tokens, result.windows * expected["seqlen"].get<int64_t>());
    const double wanted = expected["ppl_float64"];
    EXPECT_NEAR(result.perplexity, wanted, 1e-5 * wanted) << expected;
  }

  static Json Entries() { return ReadJson(ReferenceDirectory() + "/ppl.json")["results"]; }
  static std::vector<int32_t> HeldOutStream() {
    return IdsOf(*OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors").Get("heldout_stream"));
  }
};

TEST_F(PerplexityTest, EveryHeldOutPerplexityFromTheTokenStreamAgrees) {
  const std::vector<int32_t> with_bos = HeldOutStream();
  const std::vector<int32_t> without_bos(with_bos.begin() + 1, with_bos.end());
  int compared = 0;
  for (const Json& expected : Entries()) {
    if (expected["text"] != "data/tinystories_heldout.txt") continue;
    ExpectEntry(expected["bos_in_front_of_the_stream"] ? with_bos : without_bos, expected);
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST_F(PerplexityTest, WikiText2FromRawTextAgrees) {
  const std::string model = ReadText(ReferenceDirectory() + "/models/stories260k/tokenizer.model");
  // The text is full of "<unk>", which SentencePiece itself, as the reference was made, spells out.
  const auto tokenizer = LoadTokenizer({.tokenizer_model = model}, TokenizerFormat::kSentencePiece);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = ReadText(ReferenceDirectory() + "/data/wikitext2_test.txt");
  int compared = 0;
  for (const Json& expected : Entries()) {
    if (expected["text"] != "data/wikitext2_test.txt") continue;
    const auto stream = TokenizeStream(**tokenizer, {text}, expected["bos_in_front_of_the_stream"]);
    ASSERT_TRUE(stream.ok()) << stream.status();
    ExpectEntry(*stream, expected);
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST_F(PerplexityTest, TheHeldOutTextTokenizesToTheStreamThatWasMeasured) {
  const std::string model = ReadText(ReferenceDirectory() + "/models/stories260k/tokenizer.model");
  const auto tokenizer = LoadTokenizer({.tokenizer_model = model});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = ReadText(ReferenceDirectory() + "/data/tinystories_heldout.txt");
  const auto stream = TokenizeStream(**tokenizer, {text}, /*add_bos=*/true);
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(*stream, HeldOutStream());
}

TEST_F(PerplexityTest, TheMicroBatchDoesNotChangeTheResultBeyondRounding) {
  const std::vector<int32_t> stream = HeldOutStream();
  const double alone = Measure(CutWindows(stream, 64, 13), 1).perplexity;
  EXPECT_NEAR(Measure(CutWindows(stream, 64, 13), 5).perplexity, alone, 1e-6 * alone);
}

}  // namespace
}  // namespace lwq::qat
