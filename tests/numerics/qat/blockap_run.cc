// SPDX-License-Identifier: Apache-2.0
#include "tests/numerics/qat/blockap_run.h"

namespace lwq::qat {
namespace {

template <typename T>
T Must(StatusOr<T> value) {
  LWQ_CHECK(value.ok(), value.status().ToString());
  return *std::move(value);
}

void Must(const Status& status) {
  LWQ_CHECK(status.ok(), status.ToString());
}

const CancelToken kNeverCancelled;

}  // namespace

TrainOptions ReferenceOptions(const Json& config, int64_t block) {
  Json merged = config;
  if (config.contains("per_block")) merged.update(config["per_block"][block]);
  TrainOptions options;
  options.bits = merged["wbits"];
  options.group_size = merged["group_size"];
  options.epochs = merged["epochs"];
  options.batch_size = merged.value("batch_size", 2);
  options.quant_lr = merged["quant_lr"];
  options.weight_lr = merged["weight_lr"];
  options.min_lr_factor = merged.value("min_lr_factor", 20.0);
  options.wd = merged.value("wd", 0.0);
  options.early_stop = merged.value("early_stop", 0.0);
  options.early_stop_resets = merged.value("early_stop_reset", false);
  options.keep_best = false;
  options.fp16_scales = false;
  options.range_contains_zero = false;
  options.lr_schedule = LrSchedule::kChainedCosine;
  return options;
}

BlockApRun::BlockApRun(const Json& config)
    : config_(config),
      model_(LoadReferenceModel(config["model"])),
      tokens_(OpenSafetensors(ReferenceDirectory() + "/data/tokens.safetensors")),
      fp_train_(EmbedIds(config["train"], config.value("train_n", -1))),
      fp_val_(EmbedIds("val_ids", -1)),
      quant_train_(fp_train_),
      quant_val_(fp_val_) {}

MemorySamples BlockApRun::EmbedIds(const std::string& name, int64_t count) const {
  MemorySamples ids = TokenWindows(Must(tokens_.Get(name)));
  SampleRange first(&ids, 0, count < 0 ? ids.samples() : count);
  MemorySamples embedded(DType::kF32, {ids.sample_shape()[0], model_.config.hidden_size});
  Must(Embed(model_.config, model_.head.embedding, first, DType::kF32, embedded));
  return embedded;
}

MemorySamples BlockApRun::Advance(const BlockState& block, const MemorySamples& in) const {
  MemorySamples source = in;
  MemorySamples out(DType::kF32, in.sample_shape());
  Must(AdvanceBlock(model_.config, block, source, out, {.micro_batch = 2}, nullptr, kNeverCancelled));
  return out;
}

BlockData BlockApRun::NextBlockData() const {
  const BlockState& block = model_.blocks[quantized_.size()];
  return {.train_in = quant_train_,
          .train_target = Advance(block, fp_train_),
          .val_in = quant_val_,
          .val_target = Advance(block, fp_val_)};
}

TrainOutcome BlockApRun::TrainNext(BlockData data) {
  const auto k = static_cast<int64_t>(quantized_.size());
  TrainOutcome outcome =
      Must(TrainBlock(model_.config, {model_.blocks[k]}, data.inputs(), options(k), nullptr, kNeverCancelled));
  LWQ_CHECK(!outcome.diverged, "block ", k, " diverged");
  fp_train_ = std::move(data.train_target);
  fp_val_ = std::move(data.val_target);
  quant_train_ = Advance(outcome.blocks[0].block, quant_train_);
  quant_val_ = Advance(outcome.blocks[0].block, quant_val_);
  quantized_.push_back(outcome.blocks[0].block);
  return outcome;
}

double BlockApRun::Perplexity() const {
  MemorySamples windows = TokenWindows(Must(tokens_.Get("heldout_ids")));
  PerplexityOptions options;
  options.micro_batch = 8;
  options.scratch_directory = ::testing::TempDir();
  return Must(EvaluatePerplexity(
                  model_.config, model_.head, [&](int64_t k) -> StatusOr<BlockState> { return quantized_[k]; }, windows,
                  options, nullptr, kNeverCancelled))
      .perplexity;
}

}  // namespace lwq::qat
