// SPDX-License-Identifier: Apache-2.0
// A model or a data set of the Hub as a RemoteFolder, kept in the cache that Hugging Face's own tools use.
#pragma once

#include <memory>
#include <string>

#include "client/source/remote_folder.h"
#include "client/source/source_context.h"
#include "common/hub/hub_uri.h"
#include "common/status/status.h"

namespace lwq::client {

// Errors: those of hub_settings.h and hub_snapshot.h.
StatusOr<std::unique_ptr<RemoteFolder>> OpenHubFolder(const HubRepo& repo, const std::string& revision,
                                                      const SourceContext& context);

}  // namespace lwq::client
