// SPDX-License-Identifier: Apache-2.0
#include "client/source/sources.h"

#include <memory>

#include "client/base/exit_code.h"
#include "client/source/hub_folder.h"
#include "client/source/s3_folder.h"
#include "common/hub/hub_uri.h"
#include "common/s3/s3_location.h"
#include "common/sync/mutex.h"
#include "common/text/name_pattern.h"
#include "common/text/one_line.h"

namespace lwq::client {
namespace {

// One file of a folder that is elsewhere.
struct RemoteFile {
  std::unique_ptr<RemoteFolder> folder;
  std::string path;
};

StatusOr<std::unique_ptr<RemoteFolder>> OpenHubModel(const std::string& uri, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const HubUri parsed, ParseHubUri(uri));
  if (parsed.repo.kind != HubRepo::Kind::kModel) {
    return absl::InvalidArgumentError(
        absl::StrCat(lwq::OneLine(uri, 200), " is a file of a data set; a model is hf://ORG/NAME"));
  }
  return OpenHubFolder(parsed.repo, parsed.revision, context);
}

StatusOr<RemoteFile> OpenHubText(const std::string& uri, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const HubUri parsed, ParseHubUri(uri));
  if (parsed.repo.kind != HubRepo::Kind::kDataset) {
    return absl::InvalidArgumentError(
        absl::StrCat(lwq::OneLine(uri, 200), " is a model; a text is hf://datasets/ORG/NAME/FILE"));
  }
  RemoteFile file;
  LWQ_ASSIGN_OR_RETURN(file.folder, OpenHubFolder(parsed.repo, parsed.revision, context));
  file.path = parsed.path;
  return file;
}

StatusOr<RemoteFile> OpenS3Text(const std::string& uri, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(auto object, OpenS3Object(uri, context));
  return RemoteFile{std::move(object.first), std::move(object.second)};
}

struct SourceScheme {
  std::string_view begin;  // of everything of this scheme
  StatusOr<std::unique_ptr<RemoteFolder>> (*open_model)(const std::string& uri, const SourceContext& context);
  StatusOr<RemoteFile> (*open_text)(const std::string& uri, const SourceContext& context);
};

constexpr SourceScheme kSourceSchemes[] = {
    {kHubScheme, OpenHubModel, OpenHubText},
    {kS3Scheme, OpenS3Folder, OpenS3Text},
};

StatusOr<const SourceScheme*> SchemeOf(const std::string& path) {
  for (const SourceScheme& scheme : kSourceSchemes) {
    if (path.starts_with(scheme.begin)) return &scheme;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      lwq::OneLine(path, 200), " is of no scheme that is known here; give a local path, hf://… or s3://…"));
}

Status FetchFailed(std::string_view what, const Status& status) {
  if (!absl::IsCancelled(status)) return Annotate(status, what);
  return WithExit(absl::CancelledError("interrupted; the same command goes on with what was fetched"),
                  ExitCodeOf(status));
}

}  // namespace

bool IsRemote(std::string_view path) {
  return path.find("://") != std::string_view::npos;
}

// Shows one transfer, whose threads tell of it.
RemoteFolder::Progress Sources::ShowProgress(const std::string& path) {
  if (context_.console == nullptr) return nullptr;
  struct Shown {
    Shown(Console* console, std::string what) : progress(console, std::move(what)) {}
    Mutex mutex;
    TransferProgress progress ABSL_GUARDED_BY(mutex);
    bool finished ABSL_GUARDED_BY(mutex) = false;
  };
  const auto shown = std::make_shared<Shown>(context_.console, absl::StrCat("fetching ", path));
  return [shown](int64_t done_bytes, int64_t total_bytes) {
    const MutexLock lock(&shown->mutex);
    if (shown->finished) return;
    shown->progress.Update(done_bytes, total_bytes);
    shown->finished = done_bytes == total_bytes;
    if (shown->finished) shown->progress.Finish();
  };
}

StatusOr<RemoteFolder*> Sources::OpenModel(const std::string& path) {
  if (const auto known = models_.find(path); known != models_.end()) return known->second.get();
  LWQ_ASSIGN_OR_RETURN(const SourceScheme* scheme, SchemeOf(path));
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<RemoteFolder> folder, scheme->open_model(path, context_));
  return models_.emplace(path, std::move(folder)).first->second.get();
}

StatusOr<std::string> Sources::Model(std::string_view what, const std::string& path, ModelPart part) {
  if (!IsRemote(path)) return path;
  const std::pair<std::string, ModelPart> key(path, part);
  if (const auto known = fetched_.find(key); known != fetched_.end()) return known->second;
  const auto folder = OpenModel(path);
  if (!folder.ok()) return FetchFailed(what, folder.status());
  Status fetched = FetchModel(*folder, part, path, ShowProgress(path));
  if (context_.console != nullptr && !fetched.ok()) context_.console->ClearLive();
  if (fetched.ok()) fetched = (*folder)->Finish(part == ModelPart::kWhole);
  if (!fetched.ok()) return FetchFailed(what, fetched);
  return fetched_.emplace(key, (*folder)->folder()).first->second;
}

StatusOr<std::string> Sources::FetchText(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(const SourceScheme* scheme, SchemeOf(path));
  LWQ_ASSIGN_OR_RETURN(const RemoteFile file, scheme->open_text(path, context_));
  const Status fetched = file.folder->Fetch({file.path}, ShowProgress(path));
  if (context_.console != nullptr && !fetched.ok()) context_.console->ClearLive();
  LWQ_RETURN_IF_ERROR(fetched);
  LWQ_RETURN_IF_ERROR(file.folder->Finish(/*is_whole=*/true));
  return absl::StrCat(file.folder->folder(), "/", file.path);
}

StatusOr<std::vector<std::string>> Sources::FetchMatching(const std::string& repo, const std::string& revision,
                                                          const std::string& pattern) {
  const std::string name = absl::StrCat("data set ", repo);
  auto& folder = data_sets_[{repo, revision}];
  if (folder == nullptr) {
    LWQ_ASSIGN_OR_RETURN(folder, OpenHubFolder({HubRepo::Kind::kDataset, repo}, revision, context_));
  }
  std::vector<std::string> paths;
  for (const auto& [path, size_bytes] : folder->files()) {
    if (MatchesPattern(path, pattern)) paths.push_back(path);
  }
  if (paths.empty()) return absl::NotFoundError(absl::StrCat(name, " at ", revision, " has no file ", pattern));
  const Status fetched = folder->Fetch(paths, ShowProgress(absl::StrCat(name, " ", pattern)));
  if (context_.console != nullptr && !fetched.ok()) context_.console->ClearLive();
  LWQ_RETURN_IF_ERROR(fetched);
  LWQ_RETURN_IF_ERROR(folder->Finish(/*is_whole=*/true));
  for (std::string& path : paths) path = absl::StrCat(folder->folder(), "/", path);
  return paths;
}

StatusOr<std::string> Sources::Text(std::string_view what, const std::string& path, TextUse use) {
  const bool is_named = IsDataSetName(path);
  if (!IsRemote(path) && !is_named) return path;
  const std::pair<std::string, TextUse> key(path, use);
  if (const auto known = texts_.find(key); known != texts_.end()) return known->second;
  const auto fetch = [this](const std::string& repo, const std::string& revision, const std::string& pattern) {
    return FetchMatching(repo, revision, pattern);
  };
  StatusOr<std::string> text = is_named ? DataSetText(path, use, context_, fetch) : FetchText(path);
  if (!text.ok()) return FetchFailed(what, text.status());
  return texts_.emplace(key, *std::move(text)).first->second;
}

}  // namespace lwq::client
