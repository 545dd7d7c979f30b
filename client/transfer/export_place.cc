// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/export_place.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "client/base/exit_code.h"
#include "client/transfer/export_bucket.h"
#include "client/transfer/export_folder.h"
#include "common/file/posix_file.h"
#include "common/s3/s3_location.h"
#include "reporting/model_card.h"

namespace lwq::client {
namespace {

bool IsBucketName(std::string_view name) {
  return name.starts_with(kS3Scheme);
}

// A folder called "gs:" would be a surprise.
Status CheckPlaceName(const std::string& name) {
  const size_t scheme = name.find("://");
  if (scheme == std::string::npos || IsBucketName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "output ", name, ": exports go to a folder or to s3://bucket/prefix, not to ", name.substr(0, scheme), "://"));
}

Status CheckFolder(const std::string& name) {
  const std::string parent = ParentDirectory(name);
  Status made = MakeDirectories(parent);
  if (made.ok() && ::access(parent.c_str(), W_OK) != 0) made = ErrnoStatus(errno, "write to folder", parent);
  return made.ok() ? made : WithExit(Annotate(made, "output"), ExitCode::kUsage);
}

}  // namespace

StatusOr<std::unique_ptr<ExportPlace>> OpenExportPlace(const std::string& name, Interrupt* interrupt) {
  LWQ_RETURN_IF_ERROR(CheckPlaceName(name));
  return IsBucketName(name) ? OpenExportBucket(name, interrupt) : OpenExportFolder(name);
}

Status CheckExportPlaces(const std::vector<std::string>& names, Interrupt* interrupt) {
  std::set<std::string> buckets;
  for (const std::string& name : names) {
    LWQ_RETURN_IF_ERROR(CheckPlaceName(name));
    if (!IsBucketName(name)) {
      LWQ_RETURN_IF_ERROR(CheckFolder(name));
      continue;
    }
    const StatusOr<S3Location> location = ParseS3Uri(name, ProcessEnvironment);
    if (!location.ok()) return Annotate(location.status(), "output");
    if (!buckets.insert(absl::StrCat(location->endpoint, "/", location->bucket)).second) continue;
    LWQ_RETURN_IF_ERROR(OpenExportBucket(name, interrupt));
  }
  return absl::OkStatus();
}

std::string PlaceBelow(const std::string& parent, std::string_view folder) {
  if (!IsBucketName(parent)) return absl::StrCat(parent, "/", folder);
  const size_t options = std::min(parent.find('?'), parent.size());
  const std::string_view prefix = std::string_view(parent).substr(0, options);
  return absl::StrCat(prefix, prefix.ends_with('/') ? "" : "/", folder, parent.substr(options));
}

bool BelongsToAnExport(std::string_view name) {
  return name == "config.json" || name == "quantize_config.json" || name == "model.safetensors.index.json" ||
         name.ends_with(".safetensors") || name.ends_with(".gguf") || name == "chat_template.jinja" ||
         name == reporting::kBaseCardFile || (name.starts_with("sensitivity_results_") && name.ends_with(".json"));
}

}  // namespace lwq::client
