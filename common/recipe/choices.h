// SPDX-License-Identifier: Apache-2.0
// The recipe's values that are words: for each an enumeration, and the one table of its words.
//
// A word is what a run file, the wire, a stored record and a task's parameters hold; the program itself compares
// enumerators, so that a misspelt value does not compile. One list makes both: they cannot differ.
//
// Pure values, constexpr; thread-safety: none needed. Not here: what a value means (where it is used), and a text that
// may or may not be a word (given_word.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace lwq {

// The words of an enumeration, by enumerator. Types without words have none.
template <typename E>
inline constexpr std::array<std::string_view, 0> kWords{};

#define LWQ_CHOICE_ENUMERATOR(enumerator, word) enumerator,
#define LWQ_CHOICE_WORD(enumerator, word) word,
// LWQ_CHOICE(Type, LIST): LIST(X) is X(kEnumerator, "word") for every value, in the order people are shown them.
#define LWQ_CHOICE(Type, LIST)                     \
  enum class Type { LIST(LWQ_CHOICE_ENUMERATOR) }; \
  template <>                                      \
  inline constexpr auto kWords<Type> = std::to_array<std::string_view>({LIST(LWQ_CHOICE_WORD)})

// Named sets of options.
#define LWQ_PRESETS(X) X(kDefault, "default") X(kEfficientQat, "efficientqat") X(kStrong, "strong")
LWQ_CHOICE(Preset, LWQ_PRESETS);

// How blocks are quantized: trained, rounded to nearest, rounded column by column, rounded as was fitted; only
// measured, only evaluated; or tasks that do nothing.
#define LWQ_METHODS(X)       \
  X(kBlockAp, "block_ap")    \
  X(kRtn, "rtn")             \
  X(kGptq, "gptq")           \
  X(kSignRound, "signround") \
  X(kOmniQuant, "omniquant") \
  X(kSensitivity, "sensitivity") X(kNone, "none") X(kNoop, "noop")
LWQ_CHOICE(Method, LWQ_METHODS);

// What is done to blocks before they are quantized.
#define LWQ_PREPARATIONS(X) X(kNone, "none") X(kAwq, "awq")
LWQ_CHOICE(Preparation, LWQ_PREPARATIONS);

// Where the training of a block starts from.
#define LWQ_INITIALIZATIONS(X) \
  X(kMinMax, "minmax") X(kGptq, "gptq") X(kSignRound, "signround") X(kOmniQuant, "omniquant")
LWQ_CHOICE(Initialization, LWQ_INITIALIZATIONS);

// How the rounding of a block is fitted while its weights are frozen.
#define LWQ_ROUNDING_FITS(X) X(kSignRound, "signround") X(kOmniQuant, "omniquant")
LWQ_CHOICE(RoundingFit, LWQ_ROUNDING_FITS);

#define LWQ_LR_SCHEDULES(X) X(kCosine, "cosine") X(kChainedCosine, "chained_cosine")
LWQ_CHOICE(LrSchedule, LWQ_LR_SCHEDULES);

#define LWQ_SENSITIVITY_METRICS(X) \
  X(kFisher, "fisher")             \
  X(kGradient, "gradient")         \
  X(kHessian, "hessian") X(kLossDelta, "loss_delta") X(kOutputFisher, "output_fisher") X(kPilot, "pilot")
LWQ_CHOICE(SensitivityMetric, LWQ_SENSITIVITY_METRICS);

// What Hutchinson's probes range over.
#define LWQ_HESSIAN_SCOPES(X) X(kBlock, "block") X(kModel, "model")
LWQ_CHOICE(HessianScope, LWQ_HESSIAN_SCOPES);

// What a block trains on.
#define LWQ_HANDOFFS(X) X(kSequential, "sequential") X(kIndependent, "independent") X(kRelay, "relay")
LWQ_CHOICE(Handoff, LWQ_HANDOFFS);

#define LWQ_LAYER_ORDERINGS(X) X(kOriginal, "original") X(kSensitivity, "sensitivity") X(kRandom, "random")
LWQ_CHOICE(LayerOrdering, LWQ_LAYER_ORDERINGS);

// What adaptive_lr_scaling divides sensitivities by.
#define LWQ_LR_NORMALIZATIONS(X) X(kMean, "mean") X(kMax, "max") X(kMinMax, "minmax")
LWQ_CHOICE(LrNormalization, LWQ_LR_NORMALIZATIONS);

#define LWQ_MPQ_STRATEGIES(X) \
  X(kAdaptive, "adaptive") X(kConservative, "conservative") X(kAggressive, "aggressive") X(kOptimal, "optimal")
LWQ_CHOICE(MpqStrategy, LWQ_MPQ_STRATEGIES);

#define LWQ_MPQ_GROUP_SIZES(X) X(kFixed, "fixed") X(kByScore, "by_score")
LWQ_CHOICE(MpqGroupSize, LWQ_MPQ_GROUP_SIZES);

#define LWQ_ABLATIONS(X)   \
  X(kNone, "none")         \
  X(kBaseline, "baseline") \
  X(kMpqOnly, "mpq_only") X(kSgraOnly, "sgra_only") X(kQboOnly, "qbo_only") X(kAll, "all")
LWQ_CHOICE(Ablation, LWQ_ABLATIONS);

#define LWQ_POLICY_SEMANTICS(X) X(kDefault, "default") X(kAuthor, "author")
LWQ_CHOICE(PolicySemantics, LWQ_POLICY_SEMANTICS);

// Of arithmetic, and of stored activations. kAuto is decided once a class of workers is chosen.
#define LWQ_PRECISIONS(X) X(kAuto, "auto") X(kBf16, "bf16") X(kFp32, "fp32")
LWQ_CHOICE(Precision, LWQ_PRECISIONS);

#define LWQ_EXPORT_FORMATS(X)                 \
  X(kGptqV2, "gptq_v2")                       \
  X(kGptq, "gptq")                            \
  X(kCompressedTensors, "compressed_tensors") \
  X(kFakeQuant, "fake_quant") X(kGguf, "gguf") X(kGgufQ41, "gguf_q4_1") X(kNone, "none")
LWQ_CHOICE(ExportFormat, LWQ_EXPORT_FORMATS);

// Programs that load exports (common/export_format/consumers.h says which loads what).
#define LWQ_CONSUMERS(X) \
  X(kVllm, "vllm")       \
  X(kGptqModel, "gptqmodel") X(kLlamaCpp, "llama.cpp") X(kTransformers, "transformers") X(kAutoRound, "autoround")
LWQ_CHOICE(Consumer, LWQ_CONSUMERS);

// Whether a BOS stands before what eval_tasks ask. kAuto: as the tokenizer does.
#define LWQ_ADD_BOS(X) X(kAuto, "auto") X(kAlways, "always") X(kNever, "never")
LWQ_CHOICE(AddBos, LWQ_ADD_BOS);

// A type with words.
template <typename E>
concept RecipeChoice = std::is_enum_v<E> &&(kWords<E>.size() > 0);

template <RecipeChoice E>
constexpr std::string_view WordOf(E choice) {
  return kWords<E>[static_cast<size_t>(choice)];
}

// Nothing where the text is none of the words.
template <RecipeChoice E>
constexpr std::optional<E> ParseWord(std::string_view text) {
  const auto word = std::find(kWords<E>.begin(), kWords<E>.end(), text);
  if (word == kWords<E>.end()) return std::nullopt;
  return static_cast<E>(word - kWords<E>.begin());
}

// Every value, in the order of the words.
template <RecipeChoice E>
constexpr std::array<E, kWords<E>.size()> AllChoices() {
  std::array<E, kWords<E>.size()> all{};
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<E>(i);
  return all;
}

// "'blok_ap' is unknown, must be one of block_ap, rtn": what is said of a text that is none of the words. At most 40
// bytes of the text are shown, printable.
std::string UnknownWordMessage(std::string_view text, std::span<const std::string_view> words);

}  // namespace lwq
