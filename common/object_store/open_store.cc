// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/open_store.h"

#include <sys/stat.h>

#include <random>
#include <string>
#include <utility>

#include "common/file/posix_file.h"
#include "common/object_store/file_store.h"
#include "common/object_store/memory_store.h"
#include "common/object_store/s3_store.h"

namespace lwq {
namespace {

// --- file:///absolute/folder ----------------------------------------------------------------------------------------

constexpr std::string_view kFileScheme = "file://";

struct FileUri {
  std::string folder;
  FileStoreOptions options;
};

StatusOr<FileUri> ParseFileUri(std::string_view uri) {
  FileUri parsed;
  std::string_view path = uri.substr(kFileScheme.size());
  const size_t question = path.find('?');
  if (question != std::string_view::npos) {
    const std::string_view option = path.substr(question + 1);
    if (option != "fsync=off" && option != "fsync=on") {
      return absl::InvalidArgumentError(
          absl::StrCat("object store '", uri, "': unknown option '", option, "'; known: fsync=on, fsync=off"));
    }
    parsed.options.sync = option == "fsync=on";
    path = path.substr(0, question);
  }
  if (path.empty() || path.front() != '/' || path.find_first_not_of('/') == std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("object store '", uri, "' must name an absolute folder below /: file:///…"));
  }
  parsed.folder = std::string(path);
  return parsed;
}

bool IsFolder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status CheckFileUri(std::string_view uri) {
  return ParseFileUri(uri).status();
}

Status MakeFilePlace(std::string_view uri) {
  LWQ_ASSIGN_OR_RETURN(const FileUri parsed, ParseFileUri(uri));
  return Annotate(MakeDirectories(parsed.folder), absl::StrCat("object store ", uri));
}

StatusOr<std::unique_ptr<ObjectStore>> OpenFileUri(std::string_view uri, const StoreContext& context) {
  LWQ_ASSIGN_OR_RETURN(const FileUri parsed, ParseFileUri(uri));
  if (!context.create_if_absent && !IsFolder(parsed.folder)) {
    return absl::NotFoundError(absl::StrCat("object store ", uri, ": there is no folder ", parsed.folder));
  }
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> store, OpenFileStore(parsed.folder, parsed.options));
  return MakeRetryStore(std::move(store), context.retry, context.wait);
}

// --- memory: --------------------------------------------------------------------------------------------------------

constexpr std::string_view kMemoryScheme = "memory:";

Status CheckMemoryUri(std::string_view uri) {
  if (uri == kMemoryScheme) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("object store '", uri, "': nothing may stand behind memory:"));
}

StatusOr<std::unique_ptr<ObjectStore>> OpenMemoryUri(std::string_view uri, const StoreContext&) {
  LWQ_RETURN_IF_ERROR(CheckMemoryUri(uri));
  return std::make_unique<MemoryStore>();
}

// --- s3://bucket/prefix ---------------------------------------------------------------------------------------------

Environment EnvironmentOf(const StoreContext& context) {
  return context.environment ? context.environment : ProcessEnvironment;
}

Status CheckS3Uri(std::string_view uri) {
  return ParseS3Uri(uri, ProcessEnvironment).status();
}

// Buckets are made by those who pay for them.
Status MakeS3Place(std::string_view uri) {
  return CheckS3Uri(uri);
}

StatusOr<std::unique_ptr<ObjectStore>> OpenS3Uri(std::string_view uri, const StoreContext& context) {
  LWQ_ASSIGN_OR_RETURN(const S3Location location, ParseS3Uri(uri, EnvironmentOf(context)));
  S3ClientOptions options;
  options.retry = context.retry;
  if (options.retry.seed == 0) options.retry.seed = std::random_device()();  // workers are not to retry in step
  options.wait = context.wait;
  options.environment = EnvironmentOf(context);
  options.check_address = context.check_address;
  return OpenS3Store(location, options);
}

// --- The table ------------------------------------------------------------------------------------------------------

struct StoreScheme {
  std::string_view begin;    // of every URI of this scheme
  std::string_view example;  // for messages
  // INVALID_ARGUMENT for what no store of this scheme can be.
  Status (*check)(std::string_view uri);
  // Null where other processes cannot see the same store.
  Status (*make_shared)(std::string_view uri);
  StatusOr<std::unique_ptr<ObjectStore>> (*open)(std::string_view uri, const StoreContext& context);
};

constexpr StoreScheme kSchemes[] = {
    {kFileScheme, "file:///absolute/folder", CheckFileUri, MakeFilePlace, OpenFileUri},
    {kS3Scheme, "s3://bucket/prefix", CheckS3Uri, MakeS3Place, OpenS3Uri},
    {kMemoryScheme, "memory:", CheckMemoryUri, nullptr, OpenMemoryUri},
};

// "file:///absolute/folder or memory:".
std::string Examples(bool shared_only) {
  std::string text;
  for (const StoreScheme& scheme : kSchemes) {
    if (shared_only && scheme.make_shared == nullptr) continue;
    absl::StrAppend(&text, text.empty() ? "" : " or ", scheme.example);
  }
  return text;
}

StatusOr<const StoreScheme*> FindScheme(std::string_view uri, bool shared_only) {
  for (const StoreScheme& scheme : kSchemes) {
    if (!uri.starts_with(scheme.begin)) continue;
    if (!shared_only || scheme.make_shared != nullptr) return &scheme;
    return absl::InvalidArgumentError(
        absl::StrCat("object store '", uri, "' is seen by one process alone; use ", Examples(shared_only)));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("object store '", uri, "' is not supported; use ", Examples(shared_only)));
}

}  // namespace

StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(std::string_view uri, const StoreContext& context) {
  LWQ_ASSIGN_OR_RETURN(const StoreScheme* scheme, FindScheme(uri, /*shared_only=*/false));
  return scheme->open(uri, context);
}

Status CheckSharedStoreUri(std::string_view uri) {
  LWQ_ASSIGN_OR_RETURN(const StoreScheme* scheme, FindScheme(uri, /*shared_only=*/true));
  return scheme->check(uri);
}

Status MakeSharedStore(std::string_view uri) {
  LWQ_ASSIGN_OR_RETURN(const StoreScheme* scheme, FindScheme(uri, /*shared_only=*/true));
  return scheme->make_shared(uri);
}

}  // namespace lwq
