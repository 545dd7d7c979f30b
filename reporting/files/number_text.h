// SPDX-License-Identifier: Apache-2.0
// Numbers as a reader of the page wants them: as many digits as they are worth, thousands set apart, a true minus sign.
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lwq::reporting {

// "−1,234.50" with 2 decimals.
std::string FixedText(double value, int decimals);
std::string IntegerText(int64_t value);

// Of a metric: "1.6412", "25.50", "118.3", "1,432", "7.72e+05".
std::string MetricText(double value);
// "1.6412 ± 0.0021": the error to two significant digits but at most four decimals ("< 0.0001"), the value to the same
// place.
std::string WithErrorText(double value, const std::optional<double>& standard_error);
// The same with a sign before every value but 0: "+0.0140 ± 0.0021".
std::string DifferenceText(double value, const std::optional<double>& standard_error);
// "0.032", "< 0.001".
std::string ProbabilityText(double p);
// "0.4 s", "42 s", "3 min 20 s", "2 h 05 min".
std::string DurationText(double seconds);
// "4.2 MB", in powers of 1000.
std::string BytesText(int64_t bytes);
// "2026-11-30 04:11 – 05:25 UTC"; both days where they differ.
std::string TimesText(double from_unix_s, double to_unix_s);

}  // namespace lwq::reporting
