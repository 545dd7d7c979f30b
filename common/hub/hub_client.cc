// SPDX-License-Identifier: Apache-2.0
#include "common/hub/hub_client.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/http/content_range.h"
#include "common/http/percent.h"
#include "common/http/url.h"
#include "common/rpc/address.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr int kRedirectsMax = 5;
constexpr int64_t kMaxTreePageBytes = int64_t{32} << 20;
constexpr size_t kMaxFiles = 1'000'000;
constexpr int64_t kLongestWaitS = 600;

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Where the answer to a request for `url` leads: from https:// never to what is not encrypted.
StatusOr<std::string> RedirectTarget(const std::string& url, const HttpResponse& response) {
  StatusOr<std::string> target = ResolveReference(url, response.Header("location"));
  if (!target.ok()) return absl::UnavailableError(target.status().message());
  if (url.starts_with("https://") && !target->starts_with("https://")) {
    return absl::FailedPreconditionError(
        absl::StrCat(OriginOf(url), " redirects to ", OriginOf(*target), ", which is not encrypted"));
  }
  return target;
}

Status TooManyRedirects(const std::string& url) {
  return absl::FailedPreconditionError(absl::StrCat(OriginOf(url), " redirects more than ", kRedirectsMax, " times"));
}

HttpOptions OptionsOf(const HubSettings& settings, const HubClientOptions& options) {
  HttpOptions http;
  http.ca_file = settings.ca_file;
  http.stall_seconds = options.stall_seconds;
  http.check_address = options.check_address;
  http.keep_going = options.keep_going;
  return http;
}

}  // namespace

StatusOr<std::unique_ptr<HubClient>> HubClient::Make(HubSettings settings, const HubClientOptions& options) {
  StatusOr<std::string> origin = ExactOrigin(settings.endpoint);
  LWQ_RETURN_IF_ERROR(origin.status());
  const bool token_may_go = origin->starts_with("https://") || IsLoopback(HostOfOrigin(*origin));
  return std::unique_ptr<HubClient>(new HubClient(std::move(settings), *std::move(origin), token_may_go, options));
}

HubClient::HubClient(HubSettings settings, std::string origin, bool token_may_go, const HubClientOptions& options)
    : settings_(std::move(settings)),
      origin_(std::move(origin)),
      token_may_go_(token_may_go),
      wait_(options.wait),
      http_(OptionsOf(settings_, options)),
      retrier_(options.retry, options.wait) {}

bool HubClient::IsOurs(std::string_view url) const {
  return ExactOrigin(url).value_or("") == origin_;
}

StatusOr<HttpResponse> HubClient::Send(HttpRequest request) {
  // Compressed, a body has no length that could be compared, and its ranges are of something else.
  request.headers.emplace_back("Accept-Encoding", "identity");
  if (token_may_go_ && !settings_.token.empty() && IsOurs(request.url)) {
    request.headers.emplace_back("Authorization", absl::StrCat("Bearer ", settings_.token));
  }
  return http_.Send(request);
}

StatusOr<HttpResponse> HubClient::SendFollowing(HttpRequest request, std::string* url) {
  for (int redirects = 0; redirects <= kRedirectsMax; ++redirects) {
    request.url = *url;
    LWQ_ASSIGN_OR_RETURN(HttpResponse response, Send(request));
    if (!IsRedirect(response.status)) return response;
    LWQ_ASSIGN_OR_RETURN(std::string target, RedirectTarget(*url, response));
    if (!IsOurs(target)) return response;
    *url = std::move(target);
  }
  return TooManyRedirects(*url);
}

Status HubClient::StatusOf(const HttpHead& answer, HubQuestion question) {
  const bool has_token = !settings_.token.empty();
  question.has_token = has_token && token_may_go_;
  Status status = StatusOfHubAnswer(answer, question);
  if (has_token && !token_may_go_ && !absl::IsUnavailable(status)) {
    status =
        Status(status.code(), absl::StrCat(MessageOf(status), " (HF_ENDPOINT is http://, so your token is not sent)"));
  }
  const int64_t seconds = absl::IsUnavailable(status) ? SecondsToWait(answer) : 0;
  if (seconds > kLongestWaitS) {
    return absl::FailedPreconditionError(absl::StrCat(MessageOf(status), ", for ", seconds, " s; try again then"));
  }
  if (seconds > 0) LWQ_RETURN_IF_ERROR(wait_(absl::Seconds(seconds)));
  return status;
}

StatusOr<HttpResponse> HubClient::Ask(const std::string& url, const HubRepo& repo, std::string_view revision) {
  return retrier_.Run([&]() -> StatusOr<HttpResponse> {
    std::string at = url;
    HttpRequest request;
    request.max_answer_bytes = kMaxTreePageBytes;
    LWQ_ASSIGN_OR_RETURN(HttpResponse response, SendFollowing(request, &at));
    if (response.status != 200) return StatusOf(response, {repo, revision, "", settings_.endpoint});
    return response;
  });
}

StatusOr<std::string> HubClient::Resolve(const HubRepo& repo, std::string_view revision) {
  if (IsCommit(revision)) return std::string(revision);
  const std::string url = absl::StrCat(settings_.endpoint, repo.ApiPath(), "/revision/", PercentEncode(revision));
  LWQ_ASSIGN_OR_RETURN(const HttpResponse response, Ask(url, repo, revision));
  return ParseCommit(response.body);
}

StatusOr<std::vector<HubFile>> HubClient::List(const HubRepo& repo, const std::string& commit) {
  std::vector<HubFile> files;
  std::string url = absl::StrCat(settings_.endpoint, repo.ApiPath(), "/tree/", commit, "?recursive=true&expand=false");
  while (!url.empty()) {
    LWQ_ASSIGN_OR_RETURN(const HttpResponse response, Ask(url, repo, commit));
    LWQ_ASSIGN_OR_RETURN(std::vector<HubFile> page, ParseTreePage(response.body));
    const std::string next = NextPage(response.Header("link"));
    if (!next.empty() && (page.empty() || next == url)) {
      return absl::UnavailableError(absl::StrCat(OriginOf(url), ": a list of files that has no end"));
    }
    std::move(page.begin(), page.end(), std::back_inserter(files));
    if (files.size() > kMaxFiles) {
      return absl::InvalidArgumentError(absl::StrCat(repo.Describe(), " has more than ", kMaxFiles, " files"));
    }
    if (next.empty()) break;
    LWQ_ASSIGN_OR_RETURN(url, ResolveReference(url, next));
    if (!IsOurs(url)) {
      return absl::FailedPreconditionError(absl::StrCat(settings_.endpoint,
                                                        ": the next page of its list of files is at ", OriginOf(url),
                                                        ", which is another server"));
    }
  }
  return files;
}

// --- One file -------------------------------------------------------------------------------------------------------

StatusOr<std::string> HubFileReader::AskWhere() {
  std::string url = absl::StrCat(client_->settings_.endpoint, repo_.WebPath(), "/resolve/", commit_, "/",
                                 PercentEncodePath(file_.path));
  HttpRequest request;
  request.method = "HEAD";
  LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client_->SendFollowing(request, &url));
  if (response.status != 200 && !IsRedirect(response.status)) {
    return client_->StatusOf(response, {repo_, commit_, file_.path, client_->settings_.endpoint});
  }
  const HubFileHead head = ReadFileHead(response);
  if (head.commit.empty() || head.etag.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(OriginOf(url), " does not say which commit and content ",
                                                      file_.path, " is: it is no server of the Hub's API"));
  }
  if (head.commit != commit_ || head.etag != file_.etag ||
      (head.size_bytes >= 0 && head.size_bytes != file_.size_bytes)) {
    return absl::DataLossError(
        absl::StrCat(OriginOf(url), " says of ", file_.path, " other than its list of files of that commit does"));
  }
  if (response.status == 200) return url;
  return RedirectTarget(url, response);
}

StatusOr<std::string> HubFileReader::Locate(const std::string& refused) {
  const MutexLock lock(&mutex_);
  if (!url_.empty() && url_ != refused) return url_;
  LWQ_ASSIGN_OR_RETURN(url_, AskWhere());
  return url_;
}

Status HubFileReader::CheckRange(const HttpHead& head, int64_t begin, int64_t end) {
  const auto wrong = [&](std::string_view how) {
    return absl::UnavailableError(absl::StrCat(file_.path, ": the server's answer ", how));
  };
  if (!head.Header("content-encoding").empty() && head.Header("content-encoding") != "identity") {
    return wrong("is compressed, which was not asked for");
  }
  if (head.status == 206) {
    const auto range = ParseContentRange(head.Header("content-range"));
    if (!range || range->begin != begin || range->end != end - 1) return wrong("is not the range that was asked for");
    if (range->total != file_.size_bytes) return wrong("is of a file of another size");
  } else if (const auto length = head.ContentLength(); length.has_value() && *length != file_.size_bytes) {
    return wrong("is a file of another size");
  } else if (end != file_.size_bytes) {
    return absl::UnimplementedError(absl::StrCat(file_.path, ": the server does not read ranges"));
  }
  const MutexLock lock(&mutex_);
  const std::string etag(head.Header("etag"));
  if (version_.empty()) version_ = etag;
  return etag == version_ ? absl::OkStatus() : wrong("is of another version (ETag) than what came before");
}

StatusOr<HttpResponse> HubFileReader::Get(const std::string& first_url, int64_t begin, int64_t end,
                                          const ByteSink& sink) {
  std::string url = first_url;
  for (int redirects = 0; redirects <= kRedirectsMax; ++redirects) {
    HttpRequest request;
    request.url = url;
    request.headers = {{"Range", absl::StrCat("bytes=", begin, "-", end - 1)}};
    bool is_checked = false;
    int64_t skipped = 0;  // of the whole file, where the server does not read ranges
    request.sink = [&](const HttpHead& head, std::span<const std::byte> piece) -> Status {
      if (!is_checked) LWQ_RETURN_IF_ERROR(CheckRange(head, begin, end));
      is_checked = true;
      if (head.status != 206 && skipped < begin) {
        const int64_t skip = std::min<int64_t>(begin - skipped, static_cast<int64_t>(piece.size()));
        skipped += skip;
        piece = piece.subspan(static_cast<size_t>(skip));
      }
      return piece.empty() ? absl::OkStatus() : sink(piece);
    };
    LWQ_ASSIGN_OR_RETURN(HttpResponse response, client_->Send(request));
    if (!IsRedirect(response.status)) return response;
    LWQ_ASSIGN_OR_RETURN(url, RedirectTarget(url, response));
  }
  return TooManyRedirects(url);
}

Status HubFileReader::Read(int64_t begin, int64_t end, const ByteSink& sink) {
  std::string url;
  for (int attempt = 1;; ++attempt) {
    LWQ_ASSIGN_OR_RETURN(url, Locate(url));
    LWQ_ASSIGN_OR_RETURN(const HttpResponse response, Get(url, begin, end, sink));
    if (response.status / 100 == 2) return absl::OkStatus();
    // A signed URL is good for an hour or so; then the Hub gives another.
    const bool is_ours = client_->IsOurs(url);
    const bool may_be_old = !is_ours && response.status / 100 == 4 && response.status != 408 && response.status != 429;
    if (may_be_old && attempt == 1) continue;
    if (!may_be_old) {
      const std::string server = is_ours ? client_->settings_.endpoint : OriginOf(url);
      return client_->StatusOf(response, {repo_, commit_, file_.path, server});
    }
    return absl::FailedPreconditionError(absl::StrCat(OriginOf(url), ", where the Hub keeps ", file_.path, ", answers ",
                                                      response.status, ", also to a new signed URL; try again later"));
  }
}

}  // namespace lwq
