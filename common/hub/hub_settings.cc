// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_settings.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "common/file/small_file.h"
#include "common/http/url.h"
#include "common/text/lower_case.h"

namespace lwq {
namespace {

using Variables = std::function<std::string(const std::string&)>;

constexpr char kDefaultEndpoint[] = "https://huggingface.co";
constexpr size_t kMaxTokenBytes = 4096;

bool IsTrue(const std::string& value) {
  const std::string lower = LowerCase(value);
  return lower == "1" || lower == "on" || lower == "yes" || lower == "true";
}

// "~/x" as a shell has it.
std::string WithHome(const Variables& environment, const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  return environment("HOME") + path.substr(1);
}

// $HF_HOME or where it is without it; "" where nobody has a home.
std::string HubHome(const Variables& environment) {
  if (const std::string home = environment("HF_HOME"); !home.empty()) return WithHome(environment, home);
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return WithHome(environment, cache) + "/huggingface";
  }
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache/huggingface";
}

StatusOr<std::string> CacheFolder(const Variables& environment) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string folder = environment(name); !folder.empty()) return WithHome(environment, folder);
  }
  const std::string home = HubHome(environment);
  if (home.empty()) {
    return absl::FailedPreconditionError("there is no folder for what comes from the Hub: set HF_HOME, or HOME");
  }
  return home + "/hub";
}

StatusOr<std::string> CheckedToken(const std::string& text, std::string_view where) {
  std::string token(absl::StripAsciiWhitespace(text));
  const bool is_plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (is_plain && token.size() <= kMaxTokenBytes) return token;
  return absl::InvalidArgumentError(absl::StrCat(where,
                                                 " holds no token of the Hub: one has neither spaces nor other "
                                                 "than ASCII characters"));
}

StatusOr<std::string> FindToken(const Variables& environment) {
  if (IsTrue(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return "";
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const std::string token = environment(name); !absl::StripAsciiWhitespace(token).empty())
      return CheckedToken(token, name);
  }
  std::string path = WithHome(environment, environment("HF_TOKEN_PATH"));
  if (path.empty() && !HubHome(environment).empty()) path = HubHome(environment) + "/token";
  if (path.empty()) return "";
  const StatusOr<std::string> file = ReadSmallFile(path, kMaxTokenBytes);
  if (absl::IsNotFound(file.status())) return "";
  if (!file.ok()) return absl::FailedPreconditionError(absl::StrCat("token of the Hub: ", MessageOf(file.status())));
  return CheckedToken(*file, path);
}

}  // namespace

StatusOr<HubSettings> ReadHubSettings(const Variables& environment) {
  HubSettings settings;
  settings.endpoint = environment("HF_ENDPOINT");
  if (settings.endpoint.empty()) settings.endpoint = kDefaultEndpoint;
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  const StatusOr<std::string> origin = ExactOrigin(settings.endpoint);
  if (!origin.ok()) return Annotate(origin.status(), "HF_ENDPOINT");
  if (settings.endpoint.find_first_of("?#") != std::string::npos) {
    return absl::InvalidArgumentError("HF_ENDPOINT: expected the beginning of URLs, without '?' and '#'");
  }
  LWQ_ASSIGN_OR_RETURN(settings.cache_folder, CacheFolder(environment));
  settings.offline = IsTrue(environment("HF_HUB_OFFLINE")) || IsTrue(environment("TRANSFORMERS_OFFLINE"));
  settings.ca_file = environment("SSL_CERT_FILE");
  if (!settings.offline) {
    LWQ_ASSIGN_OR_RETURN(settings.token, FindToken(environment));
  }
  return settings;
}

}  // namespace lwq
