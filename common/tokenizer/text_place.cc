// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/text_place.h"

#include <algorithm>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"

namespace lwq {
namespace {

constexpr char kOffsetPayload[] = "lwq/text_offset";

}  // namespace

Status AtTextOffset(const Status& status, std::string_view text, size_t offset) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  const auto line = 1 + std::count(text.begin(), end, '\n');
  Status placed(status.code(),
                absl::StrCat(std::string(status.message()), " at byte ", offset, " of the text (line ", line, ")"));
  placed.SetPayload(kOffsetPayload, absl::Cord(absl::StrCat(offset)));
  return placed;
}

std::optional<size_t> TextOffsetOf(const Status& status) {
  const auto payload = status.GetPayload(kOffsetPayload);
  uint64_t offset = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &offset)) return std::nullopt;
  return static_cast<size_t>(offset);
}

}  // namespace lwq
