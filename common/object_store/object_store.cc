#include "common/object_store/object_store.h"

#include <utility>

#include "common/object_store/file_store.h"
#include "common/object_store/memory_store.h"
#include "common/object_store/retry_store.h"

namespace lwq {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kSupported = "use file:///absolute/folder or memory:";

StatusOr<std::unique_ptr<ObjectStore>> OpenFileUri(std::string_view uri) {
  std::string_view path = uri.substr(kFileScheme.size());
  FileStoreOptions options;
  const size_t question = path.find('?');
  if (question != std::string_view::npos) {
    const std::string_view option = path.substr(question + 1);
    if (option != "fsync=off" && option != "fsync=on") {
      return absl::InvalidArgumentError(
          absl::StrCat("object store '", uri, "': unknown option '", option, "'; known: fsync=on, fsync=off"));
    }
    options.sync = option == "fsync=on";
    path = path.substr(0, question);
  }
  if (path.empty() || path.front() != '/') {
    return absl::InvalidArgumentError(absl::StrCat("object store '", uri, "' must name an absolute folder: file:///…"));
  }
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<ObjectStore> store, OpenFileStore(std::string(path), options));
  return MakeRetryStore(std::move(store), {});
}

}  // namespace

StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(std::string_view uri) {
  if (uri == "memory:") return std::make_unique<MemoryStore>();
  if (uri.substr(0, kFileScheme.size()) == kFileScheme) return OpenFileUri(uri);
  return absl::InvalidArgumentError(absl::StrCat("object store '", uri, "' is not supported; ", kSupported));
}

}  // namespace lwq
