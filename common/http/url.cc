// SPDX-License-Identifier: Apache-2.0
#include "common/http/url.h"

#include <curl/curl.h>

#include <memory>

#include "common/http/http_client.h"
#include "common/text/lower_case.h"

namespace lwq {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using ParsedUrl = std::unique_ptr<CURLU, FreeUrl>;

// "" where there is no such part.
std::string PartOf(CURLU* url, CURLUPart part, unsigned int flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

Status NoUrl(std::string_view url) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", OriginOf(url), "' is not the beginning of an http:// or https:// URL"));
}

// Each reference seen from the one before it.
StatusOr<ParsedUrl> Parse(std::string_view base, std::string_view reference) {
  ParsedUrl url(curl_url());
  if (url == nullptr) return absl::ResourceExhaustedError("no memory for a URL");
  for (const std::string_view text : {base, reference}) {
    if (text.empty()) continue;
    if (curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) return NoUrl(text);
  }
  const std::string scheme = LowerCase(PartOf(url.get(), CURLUPART_SCHEME, 0));
  const bool is_http = scheme == "http" || scheme == "https";
  if (!is_http || PartOf(url.get(), CURLUPART_HOST, 0).empty()) return NoUrl(reference.empty() ? base : reference);
  if (!PartOf(url.get(), CURLUPART_USER, 0).empty() || !PartOf(url.get(), CURLUPART_PASSWORD, 0).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(OriginOf(reference.empty() ? base : reference), ": a URL with a name or a password in it"));
  }
  return url;
}

}  // namespace

StatusOr<std::string> ResolveReference(std::string_view base, std::string_view reference) {
  if (reference.empty()) return absl::InvalidArgumentError(absl::StrCat(OriginOf(base), ": a redirect to nowhere"));
  LWQ_ASSIGN_OR_RETURN(const ParsedUrl url, Parse(base, reference));
  return PartOf(url.get(), CURLUPART_URL, 0);
}

StatusOr<std::string> ExactOrigin(std::string_view text) {
  LWQ_ASSIGN_OR_RETURN(const ParsedUrl url, Parse(text, ""));
  return LowerCase(absl::StrCat(PartOf(url.get(), CURLUPART_SCHEME, 0), "://", PartOf(url.get(), CURLUPART_HOST, 0),
                                ":", PartOf(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)));
}

}  // namespace lwq
