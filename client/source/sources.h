// SPDX-License-Identifier: Apache-2.0
// What a run file, a sweep, a search or a flag names as a model or a text, brought to this disk: one table, from the
// scheme of what was written to how it is fetched. Everything behind it sees a local path.
//
//   PATH                           itself
//   hf://ORG/NAME[@REVISION]       a model of the Hub; hf://datasets/ORG/NAME[@REVISION]/FILE a text (hub_uri.h)
//   s3://BUCKET/PREFIX[?…]         a model below a prefix; s3://BUCKET/KEY[?…] a text (s3_location.h)
//   wikitext2, c4, redpajama, ptb  texts by name (data_sets.h); ./ptb is a file
//
// What was fetched is kept (hub_folder.h, s3_folder.h) and is not fetched again; a revision or a prefix is asked about
// once by an object of this class. Thread-safety: one thread. Errors: one line "WHAT: …", INVALID_ARGUMENT,
// NOT_FOUND or FAILED_PRECONDITION for what the user has to change, UNAVAILABLE for a server that does not answer, the
// interrupt's reason.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/source/data_sets.h"
#include "client/source/fetch_model.h"
#include "client/source/source_context.h"
#include "common/status/status.h"

namespace lwq::client {

// Whether it is written as something that is elsewhere: with a scheme.
bool IsRemote(std::string_view path);

class Sources {
 public:
  explicit Sources(SourceContext context) : context_(std::move(context)) {}

  // The model's folder, with at least that part of it. `what` is the key or flag: "model".
  StatusOr<std::string> Model(std::string_view what, const std::string& path, ModelPart part);
  // The text's file.
  StatusOr<std::string> Text(std::string_view what, const std::string& path, TextUse use);

 private:
  StatusOr<RemoteFolder*> OpenModel(const std::string& path);
  StatusOr<std::string> FetchText(const std::string& path);
  // Those whose paths match, in the order of these; NOT_FOUND where none does.
  StatusOr<std::vector<std::string>> FetchMatching(const std::string& repo, const std::string& revision,
                                                   const std::string& pattern);
  RemoteFolder::Progress ShowProgress(const std::string& path);

  const SourceContext context_;
  std::map<std::string, std::unique_ptr<RemoteFolder>> models_;                             // by what was written
  std::map<std::pair<std::string, std::string>, std::unique_ptr<RemoteFolder>> data_sets_;  // by repository, revision
  std::map<std::pair<std::string, ModelPart>, std::string> fetched_;                        // folders
  std::map<std::pair<std::string, TextUse>, std::string> texts_;                            // files
};

}  // namespace lwq::client
