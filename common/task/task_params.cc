// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_params.h"

#include "common/task/json_fields.h"

namespace lwq {
namespace {

// Each Fields function is instantiated for a const struct with the writer and for a mutable one with the reader.
template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, TokenizeParams> {
  visit("mode", p.mode);
  visit("seqlen", p.seqlen);
  visit("train_size", p.train_size);
  visit("val_size", p.val_size);
  visit("seed", p.seed);
  visit("disjoint", p.disjoint);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, EmbedParams> {
  visit("dtype", p.dtype);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, AdvanceParams> {
  visit("block", p.block);
  visit("micro_batch", p.micro_batch);
  visit("dtype", p.dtype);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, TrainBlockParams> {
  visit("block", p.block);
  visit("train_size", p.train_size);
  visit("val_size", p.val_size);
  visit("bits", p.bits);
  visit("group_size", p.group_size);
  ForEachTrainSetting(p, visit);
  visit("keep_latent", p.keep_latent);
  visit("rest", p.rest);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, RtnBlockParams> {
  visit("block", p.block);
  visit("bits", p.bits);
  visit("group_size", p.group_size);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit.Young("middle_zero_points", p.middle_zero_points, false);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, EvaluatePplParams> {
  visit("micro_batch", p.micro_batch);
  visit("shard", p.shard);
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, ReducePplParams> {
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, EvaluateReferenceParams> {
  visit("micro_batch", p.micro_batch);
  visit("shard", p.shard);
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, EvaluateKlParams> {
  visit("micro_batch", p.micro_batch);
  visit("shard", p.shard);
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, ReduceKlParams> {
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, PrepareRequestsParams> {
  visit("task", p.task);
  visit("add_bos", p.add_bos);
  visit("limit", p.limit);
  visit.Young("window", p.window, int64_t{0});
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, ScoreRequestsParams> {
  visit("batch_tokens", p.batch_tokens);
  visit("shard", p.shard);
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, ReduceAccuracyParams> {
  visit("shards", p.shards);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, ExportParams> {
  visit("format", p.format);
  visit.Young("middle_zero_points", p.middle_zero_points, false);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, LossGradientParams> {
  visit("first_sample", p.first_sample);
  visit("samples", p.samples);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, BackwardBlockParams> {
  visit("block", p.block);
  visit("first_sample", p.first_sample);
  visit("samples", p.samples);
  visit("sum_gradients", p.sum_gradients);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, GradientNormParams> {
  visit("samples", p.samples);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, OutputFisherParams> {
  visit("block", p.block);
  visit("first_sample", p.first_sample);
  visit("samples", p.samples);
  visit("choices", p.choices);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit.Young("middle_zero_points", p.middle_zero_points, false);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, LossDeltaParams> {
  visit("block", p.block);
  visit("first_sample", p.first_sample);
  visit("samples", p.samples);
  visit("choices", p.choices);
  visit("candidates", p.candidates);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit.Young("middle_zero_points", p.middle_zero_points, false);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, HessianParams> {
  visit("first_block", p.first_block);
  visit("blocks", p.blocks);
  visit("probe", p.probe);
  visit("seed", p.seed);
  visit("first_sample", p.first_sample);
  visit("samples", p.samples);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, WeightErrorParams> {
  visit("block", p.block);
  visit("choices", p.choices);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit.Young("middle_zero_points", p.middle_zero_points, false);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, TrainScalesParams> {
  visit("blocks", p.blocks);
  visit("train_size", p.train_size);
  visit("val_size", p.val_size);
  visit("batch_size", p.batch_size);
  visit("first_step", p.first_step);
  visit("steps", p.steps);
  visit("total_steps", p.total_steps);
  visit("lr", p.lr);
  visit("warmup_ratio", p.warmup_ratio);
  visit("clip_grad", p.clip_grad);
  visit("fp16_scales", p.fp16_scales);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, SearchScalesParams> {
  visit("block", p.block);
  visit("samples", p.samples);
  visit("error_samples", p.error_samples);
  visit("bits", p.bits);
  visit("group_size", p.group_size);
  visit("steps", p.steps);
  visit.Young("sym", p.sym, false);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, GptqBlockParams> {
  visit("block", p.block);
  visit("samples", p.samples);
  visit("bits", p.bits);
  visit("group_size", p.group_size);
  visit("damp_percent", p.damp_percent);
  visit("desc_act", p.desc_act);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit("middle_zero_points", p.middle_zero_points);
  visit("sym", p.sym);
  visit("keep_latent", p.keep_latent);
}

template <typename P, typename V>
void Fields(P& p, V&& visit) requires std::is_same_v<std::remove_const_t<P>, FitRoundingParams> {
  visit("block", p.block);
  visit("fit", p.fit);
  visit("train_size", p.train_size);
  visit("val_size", p.val_size);
  visit("bits", p.bits);
  visit("group_size", p.group_size);
  visit("steps", p.steps);
  visit("batch_size", p.batch_size);
  visit("offset_lr", p.offset_lr);
  visit("range_lr", p.range_lr);
  visit("keep_best", p.keep_best);
  visit("fp16_scales", p.fp16_scales);
  visit("range_contains_zero", p.range_contains_zero);
  visit("middle_zero_points", p.middle_zero_points);
  visit("sym", p.sym);
  visit("keep_latent", p.keep_latent);
}

template <typename P>
Json Write(const P& params) {
  JsonFieldWriter writer;
  Fields(params, writer);
  return writer.Take();
}

template <typename P>
StatusOr<P> Read(const Json& json, std::string_view what) {
  P params;
  JsonFieldReader reader(json, what);
  Fields(params, reader);
  LWQ_RETURN_IF_ERROR(reader.Finish());
  return params;
}

}  // namespace

Json TokenizeParams::ToJson() const {
  return Write(*this);
}
StatusOr<TokenizeParams> TokenizeParams::FromJson(const Json& json) {
  return Read<TokenizeParams>(json, "parameters of tokenize");
}
Json EmbedParams::ToJson() const {
  return Write(*this);
}
StatusOr<EmbedParams> EmbedParams::FromJson(const Json& json) {
  return Read<EmbedParams>(json, "parameters of embed");
}
Json AdvanceParams::ToJson() const {
  return Write(*this);
}
StatusOr<AdvanceParams> AdvanceParams::FromJson(const Json& json) {
  return Read<AdvanceParams>(json, "parameters of advance");
}
Json TrainBlockParams::ToJson() const {
  return Write(*this);
}
StatusOr<TrainBlockParams> TrainBlockParams::FromJson(const Json& json) {
  return Read<TrainBlockParams>(json, "parameters of train_block");
}
Json RtnBlockParams::ToJson() const {
  return Write(*this);
}
StatusOr<RtnBlockParams> RtnBlockParams::FromJson(const Json& json) {
  return Read<RtnBlockParams>(json, "parameters of rtn_block");
}
Json EvaluatePplParams::ToJson() const {
  return Write(*this);
}
StatusOr<EvaluatePplParams> EvaluatePplParams::FromJson(const Json& json) {
  return Read<EvaluatePplParams>(json, "parameters of evaluate_ppl");
}
Json ReducePplParams::ToJson() const {
  return Write(*this);
}
StatusOr<ReducePplParams> ReducePplParams::FromJson(const Json& json) {
  return Read<ReducePplParams>(json, "parameters of reduce_ppl");
}
Json EvaluateReferenceParams::ToJson() const {
  return Write(*this);
}
StatusOr<EvaluateReferenceParams> EvaluateReferenceParams::FromJson(const Json& json) {
  return Read<EvaluateReferenceParams>(json, "parameters of evaluate_reference");
}
Json EvaluateKlParams::ToJson() const {
  return Write(*this);
}
StatusOr<EvaluateKlParams> EvaluateKlParams::FromJson(const Json& json) {
  return Read<EvaluateKlParams>(json, "parameters of evaluate_kl");
}
Json ReduceKlParams::ToJson() const {
  return Write(*this);
}
StatusOr<ReduceKlParams> ReduceKlParams::FromJson(const Json& json) {
  return Read<ReduceKlParams>(json, "parameters of reduce_kl");
}
Json PrepareRequestsParams::ToJson() const {
  return Write(*this);
}
StatusOr<PrepareRequestsParams> PrepareRequestsParams::FromJson(const Json& json) {
  return Read<PrepareRequestsParams>(json, "parameters of prepare_requests");
}
Json ScoreRequestsParams::ToJson() const {
  return Write(*this);
}
StatusOr<ScoreRequestsParams> ScoreRequestsParams::FromJson(const Json& json) {
  return Read<ScoreRequestsParams>(json, "parameters of score_requests");
}
Json ReduceAccuracyParams::ToJson() const {
  return Write(*this);
}
StatusOr<ReduceAccuracyParams> ReduceAccuracyParams::FromJson(const Json& json) {
  return Read<ReduceAccuracyParams>(json, "parameters of reduce_accuracy");
}
Json ExportParams::ToJson() const {
  return Write(*this);
}
StatusOr<ExportParams> ExportParams::FromJson(const Json& json) {
  return Read<ExportParams>(json, "parameters of export");
}
Json LossGradientParams::ToJson() const {
  return Write(*this);
}
StatusOr<LossGradientParams> LossGradientParams::FromJson(const Json& json) {
  return Read<LossGradientParams>(json, "parameters of loss_gradient");
}
Json BackwardBlockParams::ToJson() const {
  return Write(*this);
}
StatusOr<BackwardBlockParams> BackwardBlockParams::FromJson(const Json& json) {
  return Read<BackwardBlockParams>(json, "parameters of backward_block");
}
Json GradientNormParams::ToJson() const {
  return Write(*this);
}
StatusOr<GradientNormParams> GradientNormParams::FromJson(const Json& json) {
  return Read<GradientNormParams>(json, "parameters of gradient_norm");
}
Json OutputFisherParams::ToJson() const {
  return Write(*this);
}
StatusOr<OutputFisherParams> OutputFisherParams::FromJson(const Json& json) {
  return Read<OutputFisherParams>(json, "parameters of output_fisher");
}
Json LossDeltaParams::ToJson() const {
  return Write(*this);
}
StatusOr<LossDeltaParams> LossDeltaParams::FromJson(const Json& json) {
  return Read<LossDeltaParams>(json, "parameters of loss_delta");
}
Json HessianParams::ToJson() const {
  return Write(*this);
}
StatusOr<HessianParams> HessianParams::FromJson(const Json& json) {
  return Read<HessianParams>(json, "parameters of hessian");
}
Json WeightErrorParams::ToJson() const {
  return Write(*this);
}
StatusOr<WeightErrorParams> WeightErrorParams::FromJson(const Json& json) {
  return Read<WeightErrorParams>(json, "parameters of weight_error");
}
Json TrainScalesParams::ToJson() const {
  return Write(*this);
}
StatusOr<TrainScalesParams> TrainScalesParams::FromJson(const Json& json) {
  return Read<TrainScalesParams>(json, "parameters of train_scales");
}
Json SearchScalesParams::ToJson() const {
  return Write(*this);
}
StatusOr<SearchScalesParams> SearchScalesParams::FromJson(const Json& json) {
  return Read<SearchScalesParams>(json, "parameters of search_scales");
}
Json GptqBlockParams::ToJson() const {
  return Write(*this);
}
StatusOr<GptqBlockParams> GptqBlockParams::FromJson(const Json& json) {
  return Read<GptqBlockParams>(json, "parameters of gptq_block");
}
Json FitRoundingParams::ToJson() const {
  return Write(*this);
}
StatusOr<FitRoundingParams> FitRoundingParams::FromJson(const Json& json) {
  return Read<FitRoundingParams>(json, "parameters of fit_rounding");
}

}  // namespace lwq
