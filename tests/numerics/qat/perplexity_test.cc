// Full-precision perplexities against transformers (reference/ppl.json), streamed through EvaluatePerplexity.
#include "tests/numerics/qat/reference_model.h"

namespace lwq::qat {
namespace {

class PerplexityTest : public ::testing::Test {
 protected:
  void SetUp() override { LWQ_NEEDS_REFERENCE(); }

  static PerplexityResult Measure(SampleSource& windows, int64_t micro_batch) {
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
};

TEST_F(PerplexityTest, EveryHeldOutPerplexityFromTheTokenStreamAgrees) {
  const SafetensorsFile tokens = OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors");
  const auto stream = tokens.Get("heldout_stream");
  ASSERT_TRUE(stream.ok()) << stream.status();
  const Json ppl = ReadJson(ReferenceDirectory() + "/ppl.json");
  int compared = 0;
  for (const Json& expected : ppl["results"]) {
    if (expected["text"] != "data/tinystories_heldout.txt") continue;
    const bool bos = expected["bos_in_front_of_the_stream"];
    ASSERT_EQ(stream->elements() - (bos ? 0 : 1), expected["n_tokens_stream"].get<int64_t>());
    MemorySamples windows = CutWindows(*stream, bos ? 0 : 1, expected["seqlen"], 0);
    const PerplexityResult result = Measure(windows, /*micro_batch=*/8);
    EXPECT_EQ(result.windows, expected["num_chunks"].get<int64_t>());
    EXPECT_EQ(result.tokens, result.windows * expected["seqlen"].get<int64_t>());
    const double wanted = expected["ppl_float64"];
    EXPECT_NEAR(result.perplexity, wanted, 1e-5 * wanted) << expected["seqlen"] << (bos ? " with BOS" : " without BOS");
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST_F(PerplexityTest, TheMicroBatchDoesNotChangeTheResultBeyondRounding) {
  const SafetensorsFile tokens = OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors");
  MemorySamples windows = CutWindows(*tokens.Get("heldout_stream"), 0, 64, 13);
  const double alone = Measure(windows, 1).perplexity;
  EXPECT_NEAR(Measure(windows, 5).perplexity, alone, 1e-6 * alone);
}

}  // namespace
}  // namespace lwq::qat
