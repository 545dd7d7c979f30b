// SPDX-License-Identifier: Apache-2.0
// Questions to the Hub's HTTP API, and reading of its files by ranges.
//
// A revision is resolved to a commit first and everything is asked of the commit, so that what comes is of one version.
// The token goes to the Hub's own scheme, host and port and nowhere else: files are read from where the Hub sends to,
// mostly a signed URL of another host. Over http:// it goes to this machine alone. Answers with 408, 429 and 5xx and
// broken connections are asked again as retrier.h says, after the time that the answer names where it names one.
//
// Thread-safety: any thread; questions run side by side. Errors: those of hub_error.h, hub_answers.h and http_client.h;
// whatever `wait` and `keep_going` answer.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/download/partial_file.h"
#include "common/http/http_client.h"
#include "common/hub/hub_answers.h"
#include "common/hub/hub_error.h"
#include "common/hub/hub_settings.h"
#include "common/hub/hub_uri.h"
#include "common/retry/retrier.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq {

struct HubClientOptions {
  RetryOptions retry = {.backoff_initial = absl::Milliseconds(500), .backoff_max = absl::Seconds(8)};
  RetryWait wait = WaitBySleeping;                                         // may be called from several threads at once
  std::function<Status()> keep_going = nullptr;                            // as HttpOptions'
  std::function<Status(const sockaddr* address)> check_address = nullptr;  // as HttpOptions'
  int stall_seconds = 30;
};

class HubClient {
 public:
  // FAILED_PRECONDITION, INVALID_ARGUMENT: settings that name no server.
  static StatusOr<std::unique_ptr<HubClient>> Make(HubSettings settings, const HubClientOptions& options);

  // The commit that the revision is now. A commit is itself, and nobody is asked.
  StatusOr<std::string> Resolve(const HubRepo& repo, std::string_view revision);
  // All files of the commit.
  StatusOr<std::vector<HubFile>> List(const HubRepo& repo, const std::string& commit);

  Retrier& retrier() { return retrier_; }
  const HubSettings& settings() const { return settings_; }

 private:
  friend class HubFileReader;
  HubClient(HubSettings settings, std::string origin, bool token_may_go, const HubClientOptions& options);

  // One request, with the token where it may go.
  StatusOr<HttpResponse> Send(HttpRequest request);
  // One attempt; redirects to the Hub itself are followed. `url` becomes the URL that answered.
  StatusOr<HttpResponse> SendFollowing(HttpRequest request, std::string* url);
  // The body of an answer with status 200, asked for as often as helps.
  StatusOr<HttpResponse> Ask(const std::string& url, const HubRepo& repo, std::string_view revision);
  bool IsOurs(std::string_view url) const;
  // What the answer means. Where it asks for time, that is waited for here. `question.has_token` is filled in.
  Status StatusOf(const HttpHead& answer, HubQuestion question);

  const HubSettings settings_;
  const std::string origin_;  // ExactOrigin of the endpoint
  const bool token_may_go_;
  const RetryWait wait_;
  HttpClient http_;
  Retrier retrier_;
};

// Reads one file of a commit. `client` must outlive it.
class HubFileReader {
 public:
  HubFileReader(HubClient* client, HubRepo repo, std::string commit, HubFile file)
      : client_(client), repo_(std::move(repo)), commit_(std::move(commit)), file_(std::move(file)) {}

  // One attempt at bytes [begin, end), as a RangeReader. Every answer has to be of the size that the Hub stated and
  // of the version (ETag) of the answers before it. UNIMPLEMENTED: the server does not read ranges; then
  // [begin, size) alone can be had.
  Status Read(int64_t begin, int64_t end, const ByteSink& sink);

 private:
  // Where the file is read from now; asks the Hub unless it is known and not `refused`, which no longer works.
  StatusOr<std::string> Locate(const std::string& refused);
  StatusOr<std::string> AskWhere();
  StatusOr<HttpResponse> Get(const std::string& url, int64_t begin, int64_t end, const ByteSink& sink);
  Status CheckRange(const HttpHead& head, int64_t begin, int64_t end);

  HubClient* const client_;
  const HubRepo repo_;
  const std::string commit_;
  const HubFile file_;
  Mutex mutex_;
  std::string url_ ABSL_GUARDED_BY(mutex_);
  std::string version_ ABSL_GUARDED_BY(mutex_);  // the ETag of the first part that came
};

}  // namespace lwq
