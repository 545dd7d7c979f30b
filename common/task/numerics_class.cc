#include "common/task/numerics_class.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lwq {

std::string NumericsClass(std::string_view base, std::string_view precision, int threads) {
  return absl::StrCat(base, "|", precision, "|t", threads);
}

bool NumericsClassFits(std::string_view numerics_class, std::string_view base) {
  if (numerics_class.empty()) return true;
  return numerics_class.size() > base.size() && numerics_class.substr(0, base.size()) == base &&
         numerics_class[base.size()] == '|';
}

NumericsParts PartsOf(std::string_view numerics_class) {
  NumericsParts parts;
  const std::vector<std::string> fields = absl::StrSplit(numerics_class, '|');
  if (fields.size() < 3) return parts;
  parts.precision = fields[fields.size() - 2];
  int threads = 1;
  if (absl::SimpleAtoi(std::string_view(fields.back()).substr(1), &threads)) parts.threads = threads;
  return parts;
}

}  // namespace lwq
