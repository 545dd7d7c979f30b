// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the table of recipe fields (recipe_fields.inc): how a row says what a field is when nobody says,
// what it may be, and what it is read for. Pure values, constexpr.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>

namespace lwq::recipe {

// The default is always the same.
template <typename T>
struct Value {
  T value;
};
template <typename T>
Value(T) -> Value<T>;

// The default follows from other fields or from the model (coordinator/plan/recipe/recipe_defaults.h computes it): what
// people are told of it, and the whole rule where that is more.
struct Follows {
  std::string_view shown;
  std::string_view rule = "";  // "": as shown
};

// What a value may be. Each says so in the manual; those that other fields or the model decide are checked in
// coordinator/plan/recipe/recipe_check.cc.
template <typename T>
struct Range {
  T low;
  T high;
};
constexpr auto Between(std::integral auto low, std::integral auto high) {
  return Range<int64_t>{static_cast<int64_t>(low), static_cast<int64_t>(high)};
}
constexpr auto Between(auto low, auto high) {
  return Range<double>{static_cast<double>(low), static_cast<double>(high)};
}
// One of the choice's words, or true or false.
struct AnyOfItsType {};
inline constexpr AnyOfItsType kAny;
// A width that weights are quantized to.
struct WeightBits {};
inline constexpr int kWeightBits[] = {2, 3, 4, 5, 6, 8};
// From 1 to the recipe's train_size.
struct TrainWindows {};
// Integers separated by commas.
struct Integers {
  std::string_view text;
};
// Words separated by commas; which, the recipe's checks say.
struct Words {
  std::string_view text;
};
// Decided by other fields or the model. `suggested` are values that the command line completes.
struct Checked {
  std::string_view text;
  std::string_view suggested = "";  // separated by commas
};

// What a field is read for.
enum class Reader : uint8_t {
  kPlan,       // what every block gets, and what the run costs
  kCalibrate,  // the calibration windows
  kTrain,      // Block-AP, GPTQ, SignRound and OmniQuant
  kMeasure,    // sensitivity
  kEvaluate,   // perplexity
  kExport,     // the quantized model's files
  kSchedule,   // which machine does it, and how often
  kEndToEnd,   // E2E-QP
};
inline constexpr std::string_view kReaderNames[] = {"plan",       "calibration", "training",   "sensitivity",
                                                    "evaluation", "export",      "scheduling", "E2E-QP"};

struct Readers {
  uint8_t bits = 0;
  constexpr bool Has(Reader reader) const { return (bits >> static_cast<int>(reader) & 1) != 0; }
};
constexpr Readers ReadBy(std::initializer_list<Reader> readers) {
  Readers all;
  for (const Reader reader : readers) all.bits = static_cast<uint8_t>(all.bits | 1 << static_cast<int>(reader));
  return all;
}

// A row of the table. `help` says what the field is, without its default and what is allowed.
template <typename T, typename DefaultT, typename AllowedT>
struct Row {
  using Type = T;
  using Default = DefaultT;
  using Allowed = AllowedT;
  std::string_view name;
  DefaultT default_value;
  AllowedT allowed;
  Readers readers;
  std::string_view help;
};
template <typename T, typename DefaultT, typename AllowedT>
constexpr Row<T, DefaultT, AllowedT> MakeRow(std::string_view name, DefaultT default_value, AllowedT allowed,
                                             Readers readers, std::string_view help) {
  return {name, default_value, allowed, readers, help};
}

}  // namespace lwq::recipe
