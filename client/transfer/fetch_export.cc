// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/fetch_export.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "common/artifact/file_tree.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/model_card.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"
#include "reporting/sensitivity_results.h"

namespace lwq::client {
namespace {

constexpr int64_t kMostCardBytes = 1 << 20;  // of a base model's card, for what is carried over

StatusOr<ExportReports> ReportsOf(const lwqat::v1::Run& run) {
  ExportReports reports;
  const bool measured_only = reporting::MethodOf(run.plan().recipe()) == Method::kSensitivity;
  if (!run.plan().blocks().empty() && !measured_only) {
    reports["layer_statistics.json"] = reporting::PrettyJson(reporting::LayerStatistics(run));
  }
  if (run.sensitivity().empty()) return reports;
  LWQ_ASSIGN_OR_RETURN(const Json results, reporting::SensitivityResults(run));
  reports[reporting::SensitivityFileName(run)] = reporting::PrettyJson(results);
  return reports;
}

Status WriteReports(const ExportReports& reports, ExportPlace* place, FetchedExport* fetched) {
  for (const auto& [name, text] : reports) {
    fetched->reports.push_back(name);
    LWQ_RETURN_IF_ERROR(place->WriteReport(name, text));
  }
  return absl::OkStatus();
}

Status BringReports(const ExportReports& reports, ExportPlace* place, FetchedExport* fetched) {
  LWQ_RETURN_IF_ERROR(place->Prepare(nullptr, reports));
  return WriteReports(reports, place, fetched);
}

// The card of the model that was quantized, which an export takes along; nothing where there is none.
StatusOr<std::optional<std::string>> BaseCard(const FileTree& tree) {
  if (!tree.Contains(reporting::kModelCardFile)) return std::optional<std::string>();
  LWQ_ASSIGN_OR_RETURN(const int64_t size_bytes, tree.SizeBytes(reporting::kModelCardFile));
  LWQ_ASSIGN_OR_RETURN(const Bytes card, tree.Read(reporting::kModelCardFile, 0, std::min(size_bytes, kMostCardBytes)));
  return std::optional<std::string>(card.view());
}

Status BringExport(const lwqat::v1::Run& run, ObjectStore* store, ExportReports reports, ExportPlace* place,
                   Console* console, FetchedExport* fetched) {
  LWQ_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(run.export_().digest()));
  ArtifactStore artifacts(store);
  LWQ_ASSIGN_OR_RETURN(const auto exported,
                       FileTree::Open(&artifacts, ArtifactRef{digest, run.export_().size_bytes()}));
  LWQ_ASSIGN_OR_RETURN(const std::optional<std::string> base_card, BaseCard(exported));
  reports[reporting::kModelCardFile] = reporting::ModelCard(run, {.base_card = base_card, .version = LWQ_VERSION});
  const FileTree tree = exported.Renamed(reporting::kModelCardFile, reporting::kBaseCardFile);
  LWQ_RETURN_IF_ERROR(place->Prepare(&tree, reports));
  LWQ_RETURN_IF_ERROR(WriteReports(reports, place, fetched));  // first: they tell the next fetch whose files these are
  TransferProgress progress(console, absl::StrCat("fetching ", run.spec().name(), " to ", place->name()));
  const Status written = place->WriteTree([&](int64_t done, int64_t total) { progress.Update(done, total); });
  if (!written.ok()) {
    console->ClearLive();
    return written;
  }
  progress.Update(run.export_().size_bytes(), run.export_().size_bytes());
  progress.Finish();
  fetched->files = static_cast<int64_t>(tree.paths().size());
  fetched->size_bytes = run.export_().size_bytes();
  return absl::OkStatus();
}

}  // namespace

bool HasResults(const lwqat::v1::Run& run) {
  const bool found = !run.plan().blocks().empty() || !run.sensitivity().empty();
  return run.has_export_() || (run.state() == lwqat::v1::RUN_STATE_SUCCEEDED && found);
}

StatusOr<FetchedExport> FetchExport(const lwqat::v1::Run& run, ObjectStore* store, ExportPlace* place,
                                    Console* console) {
  const std::string who = absl::StrCat("run ", reporting::ShortId(run.id()));
  if (!HasResults(run)) {
    return absl::FailedPreconditionError(absl::StrCat(who, " has no export (it is ",
                                                      reporting::RunStateName(run.state()), "); lwq get ",
                                                      reporting::ShortId(run.id()), " says why"));
  }
  FetchedExport fetched;
  fetched.directory = place->name();
  LWQ_ASSIGN_OR_RETURN(const ExportReports reports, ReportsOf(run));
  LWQ_RETURN_IF_ERROR(run.has_export_() ? Annotate(BringExport(run, store, reports, place, console, &fetched), who)
                                        : BringReports(reports, place, &fetched));
  return fetched;
}

std::string FolderNameOf(const std::string& run_name) {
  std::string folder = run_name;
  for (char& c : folder) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && !std::isalnum(byte) && c != '.' && c != '_' && c != '-') c = '-';
  }
  const bool hidden_or_flag = folder.empty() || folder.front() == '.' || folder.front() == '-';
  return hidden_or_flag ? absl::StrCat("run", folder) : folder;
}

}  // namespace lwq::client
