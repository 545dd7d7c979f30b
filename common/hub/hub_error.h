// SPDX-License-Identifier: Apache-2.0
// What an answer of the Hub that is no success means, and what the user can do about it, in one table.
//
//   NOT_FOUND            no such repository (or a private one: the Hub does not tell which), revision or file
//   FAILED_PRECONDITION  gated; a token that is not taken; everything else that stays so until somebody changes it
//   UNAVAILABLE          408, 429, 5xx: ask again
//
// Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/http/http_client.h"
#include "common/hub/hub_uri.h"
#include "common/status/status.h"

namespace lwq {

struct HubQuestion {
  const HubRepo& repo;
  std::string_view revision;
  std::string_view path;      // "" where it was not about a file
  std::string_view endpoint;  // who answered, and where the pages are that a person opens
  bool has_token = false;     // it was asked with one
};

Status StatusOfHubAnswer(const HttpHead& answer, const HubQuestion& question);

// How long the answer asks us to wait, in seconds; 0: it does not say. Of 429 and 503, from RateLimit ("…;r=0;t=9") or
// Retry-After.
int64_t SecondsToWait(const HttpHead& answer);

}  // namespace lwq
