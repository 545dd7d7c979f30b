// SPDX-License-Identifier: Apache-2.0
#include "client/source/source_context.h"

namespace lwq::client {

StatusOr<std::string> SourceContext::CacheFolder() const {
  if (const std::string folder = environment("LWQ_CACHE_DIR"); !folder.empty()) return folder;
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return cache + "/lwq";
  if (const std::string home = environment("HOME"); !home.empty()) return home + "/.cache/lwq";
  return absl::FailedPreconditionError("there is no folder for what is fetched: set LWQ_CACHE_DIR, or HOME");
}

}  // namespace lwq::client
