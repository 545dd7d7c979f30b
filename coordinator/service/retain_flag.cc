// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/retain_flag.h"

#include "common/text/duration.h"
#include "common/text/one_line.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kShownFlagBytes = 80;

std::optional<KeptKind> KindNamed(std::string_view name) {
  for (const KeptKind kind : kKeptKinds) {
    if (KeptKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

}  // namespace

StatusOr<Retention> ParseRetainFlag(std::string_view text) {
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("--retain ", OneLine(text, kShownFlagBytes), ": ", what,
                                                   "; write KIND=TIME, as checkpoint=30d, export=forever"));
  };
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return bad("there is no '='");
  const std::optional<KeptKind> kind = KindNamed(text.substr(0, equals));
  if (!kind.has_value()) return bad("KIND must be checkpoint, export, tokens or losses");
  const std::string_view time = text.substr(equals + 1);
  if (time == "forever") return Retention{*kind, std::nullopt};
  const std::optional<int64_t> retain_ms = ParseDurationMs(time);
  if (!retain_ms.has_value()) {
    return bad("TIME must be a whole number of at most 100 years with one of s, m, h and d, or forever");
  }
  return Retention{*kind, retain_ms};
}

}  // namespace lwq::coordinator
