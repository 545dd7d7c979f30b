// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/export_bucket.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "client/transfer/interruptible_store.h"
#include "common/object_store/open_store.h"
#include "reporting/model_card.h"

namespace lwq::client {
namespace {

// Every reader of an export begins with it.
bool CompletesAnExport(std::string_view path) {
  return path == "config.json" || path.ends_with(".gguf");
}
constexpr int kMostObjects = 1000;  // an export has some dozens

// NOT_FOUND and DATA_LOSS would say that the export's own bytes are gone.
Status OfPlace(const Status& status) {
  if (!absl::IsNotFound(status) && !absl::IsDataLoss(status)) return status;
  return absl::FailedPreconditionError(absl::StrCat(MessageOf(status)));
}

class ExportBucket : public ExportPlace {
 public:
  ExportBucket(std::string uri, std::unique_ptr<ObjectStore> store) : uri_(std::move(uri)), store_(std::move(store)) {}

  const std::string& name() const override { return uri_; }
  Status Prepare(const FileTree* tree, const ExportReports& reports) override;
  Status WriteReport(const std::string& report, const std::string& text) override {
    return OfPlace(store_->Put(report, std::as_bytes(std::span(text.data(), text.size())), {}));
  }
  Status WriteTree(const Progress& progress) override;

 private:
  Status CheckNames(const ExportReports& reports) const;
  // Sizes by key.
  StatusOr<std::map<std::string, int64_t>> ListPlace();
  StatusOr<bool> HoldsFile(const std::string& path, int64_t size_bytes);
  StatusOr<bool> HoldsModelCard(int64_t size_bytes);
  StatusOr<bool> HoldsText(const std::string& key, int64_t size_bytes, std::string_view text);
  Status Refuse(std::string_view why) const;
  Status Send(const std::string& path, const std::function<void(int64_t)>& sent);

  const std::string uri_;
  const std::unique_ptr<ObjectStore> store_;
  const FileTree* tree_ = nullptr;
  std::set<std::string> is_there_;  // files of the tree
};

Status ExportBucket::Refuse(std::string_view why) const {
  return absl::FailedPreconditionError(
      absl::StrCat(store_->Describe(), " ", why, "; give a prefix of its own, or remove what is there"));
}

// All of them, before the first byte is sent.
Status ExportBucket::CheckNames(const ExportReports& reports) const {
  std::vector<std::string> keys = tree_ == nullptr ? std::vector<std::string>() : tree_->paths();
  for (const auto& [report, text] : reports) keys.push_back(report);
  for (const std::string& key : keys) {
    const Status valid = ValidateObjectKey(key);
    if (valid.ok()) continue;
    return absl::InvalidArgumentError(absl::StrCat(store_->Describe(), ": ", MessageOf(valid),
                                                   "; fetch the export to a folder, and copy it from there"));
  }
  return absl::OkStatus();
}

StatusOr<std::map<std::string, int64_t>> ExportBucket::ListPlace() {
  const StatusOr<ListPage> page = store_->List("", "", kMostObjects);
  if (!page.ok()) return OfPlace(page.status());
  if (page->truncated) return Refuse(absl::StrCat("holds more than ", kMostObjects, " objects"));
  std::map<std::string, int64_t> sizes;
  for (const ObjectInfo& object : page->objects) sizes.emplace(object.key, object.size_bytes);
  return sizes;
}

Status ExportBucket::Prepare(const FileTree* tree, const ExportReports& reports) {
  tree_ = tree;
  is_there_.clear();
  LWQ_RETURN_IF_ERROR(CheckNames(reports));
  LWQ_ASSIGN_OR_RETURN(const auto sizes, ListPlace());
  for (const auto& [key, size_bytes] : sizes) {
    const auto report = reports.find(key);
    if (tree == nullptr) {
      if (report == reports.end()) continue;
      LWQ_ASSIGN_OR_RETURN(const bool is_equal, HoldsText(key, size_bytes, report->second));
      if (!is_equal) return Refuse(absl::StrCat("holds another ", key));
    } else if (tree->Contains(key)) {
      LWQ_ASSIGN_OR_RETURN(const bool is_equal, HoldsFile(key, size_bytes));
      if (!is_equal) return Refuse(absl::StrCat("holds another ", key, " than this export has"));
      is_there_.insert(key);
    } else if (key.find('/') == std::string::npos && BelongsToAnExport(key) && report == reports.end()) {
      return Refuse(absl::StrCat("holds ", key, ", which this export does not have"));
    } else if (key == reporting::kModelCardFile) {
      LWQ_ASSIGN_OR_RETURN(const bool is_card, HoldsModelCard(size_bytes));
      if (!is_card) return Refuse(absl::StrCat("holds a ", key, " that is no export's"));
    }
  }
  return absl::OkStatus();
}

StatusOr<bool> ExportBucket::HoldsFile(const std::string& path, int64_t size_bytes) {
  LWQ_ASSIGN_OR_RETURN(const int64_t right_bytes, tree_->SizeBytes(path));
  if (size_bytes != right_bytes) return false;
  for (int64_t offset = 0; offset < size_bytes; offset += kPieceBytes) {
    const int64_t length = std::min(kPieceBytes, size_bytes - offset);
    const StatusOr<Bytes> there = store_->GetRange(path, offset, length);
    if (!there.ok()) return OfPlace(there.status());
    LWQ_ASSIGN_OR_RETURN(const Bytes right, tree_->Read(path, offset, length));
    if (there->view() != right.view()) return false;
  }
  return true;
}

StatusOr<bool> ExportBucket::HoldsModelCard(int64_t size_bytes) {
  if (size_bytes > kPieceBytes) return false;
  const StatusOr<Bytes> there = store_->Get(reporting::kModelCardFile);
  if (!there.ok()) return OfPlace(there.status());
  return reporting::IsModelCard(there->view());
}

StatusOr<bool> ExportBucket::HoldsText(const std::string& key, int64_t size_bytes, std::string_view text) {
  if (size_bytes != static_cast<int64_t>(text.size())) return false;
  const StatusOr<Bytes> there = store_->Get(key);
  if (!there.ok()) return OfPlace(there.status());
  return there->view() == text;
}

Status ExportBucket::WriteTree(const Progress& progress) {
  std::vector<std::string> paths = tree_->paths();
  std::ranges::stable_partition(paths, [](const std::string& path) { return !CompletesAnExport(path); });
  int64_t total_bytes = 0;
  for (const std::string& path : paths) {
    LWQ_ASSIGN_OR_RETURN(const int64_t size_bytes, tree_->SizeBytes(path));
    total_bytes += size_bytes;
  }
  int64_t done_bytes = 0;
  const auto sent = [&](int64_t bytes) {
    done_bytes += bytes;
    if (progress) progress(done_bytes, total_bytes);
  };
  for (const std::string& path : paths) {
    if (!is_there_.contains(path)) {
      LWQ_RETURN_IF_ERROR(Send(path, sent));
      continue;
    }
    LWQ_ASSIGN_OR_RETURN(const int64_t size_bytes, tree_->SizeBytes(path));
    sent(size_bytes);
  }
  return absl::OkStatus();
}

// Of a file that cannot be sent whole nothing is seen: its upload is aborted.
Status ExportBucket::Send(const std::string& path, const std::function<void(int64_t)>& sent) {
  LWQ_ASSIGN_OR_RETURN(const int64_t size_bytes, tree_->SizeBytes(path));
  const StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload(path, {});
  if (!upload.ok()) return OfPlace(upload.status());
  for (int64_t offset = 0; offset < size_bytes; offset += kPieceBytes) {
    const int64_t length = std::min(kPieceBytes, size_bytes - offset);
    LWQ_ASSIGN_OR_RETURN(const Bytes piece, tree_->Read(path, offset, length));
    LWQ_RETURN_IF_ERROR(OfPlace((*upload)->Write(piece.span())));
    sent(length);
  }
  return OfPlace((*upload)->Commit());
}

}  // namespace

StatusOr<std::unique_ptr<ExportPlace>> OpenExportBucket(const std::string& uri, Interrupt* interrupt) {
  StoreContext context;
  context.wait = [interrupt](absl::Duration wait) {
    return interrupt->WaitFor(std::chrono::milliseconds(absl::ToInt64Milliseconds(wait))) ? interrupt->reason()
                                                                                          : absl::OkStatus();
  };
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(uri, context);
  if (!store.ok()) return Annotate(OfPlace(store.status()), "output");
  return std::make_unique<ExportBucket>(uri, std::make_unique<InterruptibleStore>(*std::move(store), interrupt));
}

}  // namespace lwq::client
