// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/number_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/status/status.h"

namespace lwq::reporting {
namespace {

constexpr char kMinus[] = "\xE2\x88\x92";
constexpr int kMostDecimals = 4;

// Puts the sign of a text such as "-1234.5" in our form and sets its thousands apart.
std::string Typeset(const std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string digits = text.substr(negative ? 1 : 0);
  const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string result;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return absl::StrCat(negative ? kMinus : "", result, digits.substr(whole));
}

std::string Scientific(double value) {
  return Typeset(absl::StrFormat("%.2e", value));
}

bool IsHuge(double value) {
  return std::abs(value) >= 1e5;
}

int DecimalsOfMetric(double value) {
  const double size = std::abs(value);
  return size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 4;
}

// The place of the error's second significant digit, as far as a reader follows.
int DecimalsOfError(double error) {
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(error))), 0, kMostDecimals);
}

std::string ErrorText(double error, int decimals) {
  const double least = std::pow(10, -decimals);
  return error > 0 && error < least / 2 ? absl::StrCat("< ", FixedText(least, decimals)) : FixedText(error, decimals);
}

std::string WithError(double value, const std::optional<double>& standard_error, const std::string& sign) {
  if (!std::isfinite(value)) return "not finite";
  const bool has_spread = standard_error.has_value() && *standard_error > 0;
  const int decimals = has_spread ? DecimalsOfError(*standard_error) : DecimalsOfMetric(value);
  const std::string number = sign + (IsHuge(value) ? Scientific(value) : FixedText(value, decimals));
  if (!standard_error.has_value()) return number;
  const std::string error = !has_spread     ? "0"
                            : IsHuge(value) ? Scientific(*standard_error)
                                            : ErrorText(*standard_error, decimals);
  return absl::StrCat(number, " ± ", error);
}

struct Moment {
  std::string day;
  std::string time;
};

Moment MomentOf(double unix_s) {
  const std::chrono::sys_seconds at{std::chrono::seconds(static_cast<int64_t>(std::floor(unix_s)))};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  return {.day = absl::StrFormat("%04d-%02d-%02d", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                                 static_cast<unsigned>(date.day())),
          .time = absl::StrFormat("%02d:%02d", time.hours().count(), time.minutes().count())};
}

}  // namespace

std::string FixedText(double value, int decimals) {
  std::string text = absl::StrFormat("%.*f", decimals, value);
  if (text.find_first_not_of("-0.") == std::string::npos && text.starts_with('-')) text.erase(0, 1);  // -0.00
  return Typeset(text);
}

std::string IntegerText(int64_t value) {
  return Typeset(absl::StrCat(value));
}

std::string MetricText(double value) {
  if (!std::isfinite(value)) return "not finite";
  return IsHuge(value) ? Scientific(value) : FixedText(value, DecimalsOfMetric(value));
}

std::string WithErrorText(double value, const std::optional<double>& standard_error) {
  return WithError(value, standard_error, "");
}

std::string DifferenceText(double value, const std::optional<double>& standard_error) {
  return WithError(value, standard_error, value > 0 ? "+" : "");
}

std::string ProbabilityText(double p) {
  return p < 0.001 ? "< 0.001" : FixedText(p, 3);
}

std::string DurationText(double seconds) {
  if (seconds < 10) return absl::StrCat(FixedText(seconds, 1), " s");
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return absl::StrCat(whole, " s");
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  const int64_t minutes = (whole + 30) / 60;
  return absl::StrFormat("%s h %02d min", IntegerText(minutes / 60), minutes % 60);
}

std::string BytesText(int64_t bytes) {
  auto value = static_cast<double>(bytes);
  for (const char* unit : {"B", "kB", "MB"}) {
    if (value < 1000) return absl::StrCat(FixedText(value, value < 100 && *unit != 'B' ? 1 : 0), " ", unit);
    value /= 1000;
  }
  return absl::StrCat(FixedText(value, 2), " GB");
}

std::string TimesText(double from_unix_s, double to_unix_s) {
  const Moment from = MomentOf(from_unix_s);
  const Moment to = MomentOf(to_unix_s);
  const std::string end = from.day == to.day ? to.time : absl::StrCat(to.day, " ", to.time);
  return absl::StrCat(from.day, " ", from.time, " – ", end, " UTC");
}

}  // namespace lwq::reporting
