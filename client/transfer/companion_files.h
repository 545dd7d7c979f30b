// SPDX-License-Identifier: Apache-2.0
// What else is in a model's folder and belongs to the model without being read here: chat templates, licences, the
// model card, settings of its processors. An export takes them along as they are.
//
// Every file at the top of the folder and in additional_chat_templates/, but not weights in any format and their
// indexes, not an adapter's configuration, not what an export is described by (layer_statistics.json and measured
// scores), not hidden files. A link is followed to a file in the folder and, as in a Hub cache, to one in blobs/ beside
// the folder's snapshots/; elsewhere it leads to files that are not the model's.
//
// Reads names and sizes only. Never fails: what cannot be taken is in `notes`.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace lwq::client {

inline constexpr int64_t kMaxCompanionBytes = int64_t{64} << 20;

struct CompanionFiles {
  std::map<std::string, std::string> files;  // path inside the folder → path on this disk
  std::vector<std::string> notes;            // one line for what is left behind although it might belong to the model
};

// `taken`: names that go another way. Files are taken from the smallest on until they would exceed `most_bytes`
// together.
CompanionFiles FindCompanionFiles(const std::string& directory, const std::set<std::string>& taken,
                                  int64_t most_bytes = kMaxCompanionBytes);

}  // namespace lwq::client
