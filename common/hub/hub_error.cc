// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_error.h"

#include <algorithm>
#include <charconv>

#include "common/text/one_line.h"

namespace lwq {
namespace {

// The whole number at the beginning of the text; -1 if there is none.
int64_t LeadingNumber(std::string_view text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && value >= 0 ? value : -1;
}

std::string PageOf(const HubQuestion& question) {
  return absl::StrCat(question.endpoint, question.repo.WebPath());
}

Status NotThereOrPrivate(const HubQuestion& question) {
  const std::string what = absl::StrCat("there is no ", question.repo.Describe(), " at ", question.endpoint);
  if (question.has_token) {
    return absl::NotFoundError(
        absl::StrCat(what, ", or your token may not read it: check the name and the token's rights"));
  }
  return absl::NotFoundError(
      absl::StrCat(what, ", or it is private: check the name, or set HF_TOKEN to a token that may read it"));
}

Status Gated(const HubQuestion& question) {
  return absl::FailedPreconditionError(
      absl::StrCat(question.repo.Describe(), " is gated: accept its licence at ", PageOf(question),
                   question.has_token ? " with the account of your token, then try again"
                                      : ", then set HF_TOKEN to a token of the account that did"));
}

Status NotFound(std::string_view code, const HubQuestion& question) {
  if (code == "RevisionNotFound") {
    return absl::NotFoundError(absl::StrCat(question.repo.Describe(), " has no revision \"",
                                            OneLine(question.revision, 100), "\"; ", PageOf(question),
                                            "/tree/main lists branches and tags"));
  }
  if (code == "EntryNotFound" && !question.path.empty()) {
    return absl::NotFoundError(absl::StrCat(question.repo.Describe(), " has no file ", OneLine(question.path, 200),
                                            " at ", OneLine(question.revision, 100)));
  }
  return NotThereOrPrivate(question);
}

}  // namespace

Status StatusOfHubAnswer(const HttpHead& answer, const HubQuestion& question) {
  const std::string_view code = answer.Header("x-error-code");
  const std::string said = OneLine(answer.Header("x-error-message"), 200);
  const std::string status = absl::StrCat(question.endpoint, " answers ", answer.status,
                                          code.empty() ? "" : absl::StrCat(" ", OneLine(code, 60)),
                                          said.empty() ? "" : absl::StrCat(" (", said, ")"));
  if (answer.status == 408 || answer.status == 429 || answer.status >= 500) {
    return absl::UnavailableError(answer.status == 429 ? absl::StrCat(status, ": it asks us to slow down") : status);
  }
  if (code == "GatedRepo") return Gated(question);
  if (answer.status == 401 && question.has_token && (said.starts_with("Invalid") || code.empty())) {
    return absl::FailedPreconditionError(absl::StrCat(
        status, ": it does not take your token (HF_TOKEN, or the token file in HF_HOME); make a new one at ",
        question.endpoint, "/settings/tokens"));
  }
  if (answer.status == 404) return NotFound(code, question);
  if (answer.status == 401) return NotThereOrPrivate(question);
  if (answer.status == 403) {
    return absl::FailedPreconditionError(
        absl::StrCat(status, ": reading ", question.repo.Describe(), " is not allowed",
                     question.has_token ? " with your token" : "; set HF_TOKEN to a token that may"));
  }
  return absl::FailedPreconditionError(absl::StrCat(status, " to a question about ", question.repo.Describe()));
}

int64_t SecondsToWait(const HttpHead& answer) {
  const std::string_view limit = answer.Header("ratelimit");
  if (const size_t remaining = limit.find(";r=0"); remaining != std::string_view::npos) {
    const size_t at = limit.find(";t=");
    const int64_t seconds = at == std::string_view::npos ? -1 : LeadingNumber(limit.substr(at + 3));
    if (seconds >= 0) return seconds + 1;
  }
  const int64_t seconds = LeadingNumber(answer.Header("retry-after"));
  return seconds >= 0 ? seconds + 1 : 0;
}

}  // namespace lwq
