// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/resume_token.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lwq::coordinator {

std::string ToText(const ResumeToken& token) {
  return absl::StrCat(token.id, ".", token.term.number, ".", token.revision);
}

StatusOr<ResumeToken> ParseResumeToken(const std::string& text, const std::string& id) {
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  ResumeToken token;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &token.term.number) ||
      !absl::SimpleAtoi(parts[2], &token.revision)) {
    return absl::InvalidArgumentError("resume_token: not one that this coordinator issued; watch without it");
  }
  token.id = parts[0];
  if (token.id != id) {
    return absl::InvalidArgumentError(
        absl::StrCat("resume_token: it belongs to ", token.id, ", not to ", id, "; watch without it"));
  }
  return token;
}

}  // namespace lwq::coordinator
