// SPDX-License-Identifier: Apache-2.0
// From a run as the user wrote it to the RunSpec a coordinator takes: the model and the texts are checked, then what
// the object store lacks of them is uploaded and named.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "client/base/console.h"
#include "client/run_file/run_request.h"
#include "client/source/sources.h"
#include "client/transfer/model_files.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq::client {

// A run whose inputs on this disk have been looked at and are fit to be uploaded.
struct CheckedRun {
  RunRequest request;
  std::optional<ModelFiles> model;  // absent for method noop only
  // Empty when there is none. With config_only and none given, config.json stands for it.
  std::map<std::string, std::string> calibration;
  std::vector<std::map<std::string, std::string>> eval_texts;
  std::vector<std::map<std::string, std::string>> eval_tasks;
};

// Looks at the inputs of runs: each model, tokenizer, text and file of scores once, however many runs name it. What is
// elsewhere is brought to this disk first, of a model the configuration before anything large.
class InputChecks {
 public:
  // `sources` must outlive this; null: everything is a local path.
  explicit InputChecks(Sources* sources) : sources_(sources) {}

  // Errors are those of Sources, InspectModel, InspectText, InspectTaskFile and ReadSensitivityFile, annotated with the
  // run's origin.
  StatusOr<CheckedRun> Check(const RunRequest& request);

 private:
  using Files = std::map<std::string, std::string>;

  StatusOr<const ModelFiles*> Model(const RunRequest& request);
  StatusOr<ModelFiles> FetchAndInspect(const std::string& path, bool config_only);
  StatusOr<const Files*> Text(std::string_view what, const std::string& path, TextUse use);
  StatusOr<const Files*> TaskItems(const NamedText& task);
  StatusOr<const std::vector<double>*> Scores(const std::string& path, const std::string& model_name, int64_t blocks);

  Sources* const sources_;
  // What was found fit, by its path and what it was looked at for.
  std::map<std::pair<std::string, bool>, ModelFiles> models_;        // true: config.json alone
  std::set<std::string> tokenizers_;                                 // by the model's directory
  std::map<std::string, Files> texts_;                               // by the path on this disk
  std::map<std::pair<std::string, std::string>, Files> task_items_;  // by the task and that path
  std::map<std::tuple<std::string, std::string, int64_t>, std::vector<double>> scores_;
};

// The same for one run.
StatusOr<CheckedRun> CheckRunInputs(const RunRequest& request, Sources* sources = nullptr);

// What has been uploaded to a store, by the files (name in the tree → path on this disk): the runs of an ablation share
// their model and their texts, which are read once.
using UploadedTrees = std::map<std::map<std::string, std::string>, lwqat::v1::ArtifactRef>;

// Uploads (into a NamingStore: names) the run's inputs and fills the spec. Progress goes to `console` (may be null),
// under what is being done. What `uploaded` has is taken from there, the rest is added to it.
StatusOr<lwqat::v1::RunSpec> UploadRun(const CheckedRun& run, ObjectStore* store, Console* console,
                                       UploadedTrees* uploaded, std::string_view doing = "uploading");

// Opens the store that the coordinator at `address` uses, as seen from here: `override_uri`, or else the coordinator's
// own. FAILED_PRECONDITION when that is a folder this machine does not have.
StatusOr<std::unique_ptr<ObjectStore>> OpenServerObjects(const std::string& server_uri, const std::string& override_uri,
                                                         const std::string& address);

}  // namespace lwq::client
