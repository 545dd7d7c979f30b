// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_client.h"

#include <curl/curl.h>

#include <charconv>
#include <mutex>

#include "common/rpc/address.h"
#include "common/sync/mutex.h"
#include "common/text/lower_case.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kMaxHeaderBytes = 256 << 10;
constexpr long kBufferBytes = 512 << 10;  // a read or write of the socket

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return text;
}

// What curl's callbacks fill while one request is under way.
struct Exchange {
  const HttpRequest* request = nullptr;
  const HttpOptions* options = nullptr;
  HttpResponse response;
  size_t header_bytes = 0;
  int sends = 0;
  Status stopped;  // why we ended it ourselves
};

// One line of the head, or the empty one behind it; each status line begins a new head (100, then the answer).
size_t OnHeader(char* data, size_t size, size_t count, void* context) {
  auto* exchange = static_cast<Exchange*>(context);
  const std::string_view line = Trimmed({data, size * count});
  exchange->header_bytes += size * count;
  if (exchange->header_bytes > kMaxHeaderBytes) {
    exchange->stopped = absl::UnavailableError(absl::StrCat("a head longer than ", kMaxHeaderBytes, " bytes"));
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    exchange->response.headers.clear();
    const size_t space = line.find(' ');
    exchange->response.status = 0;
    if (space != std::string_view::npos) {
      std::from_chars(line.data() + space + 1, line.data() + line.size(), exchange->response.status);
    }
    return size * count;
  }
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    exchange->response.headers.emplace_back(LowerCase(line.substr(0, colon)),
                                            std::string(Trimmed(line.substr(colon + 1))));
  }
  return size * count;
}

// curl's own way to make a socket, behind the question whether it may lead there.
curl_socket_t OnOpenSocket(void* context, curlsocktype, curl_sockaddr* address) {
  auto* exchange = static_cast<Exchange*>(context);
  exchange->stopped = exchange->options->check_address(&address->addr);
  if (!exchange->stopped.ok()) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Before the request is sent, and again before curl sends it once more by itself.
int OnSend(void* context, char*, char*, int, int) {
  auto* exchange = static_cast<Exchange*>(context);
  ++exchange->sends;
  return exchange->request->send_once && exchange->sends > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

int OnProgress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* exchange = static_cast<Exchange*>(context);
  const Status status = exchange->options->keep_going();
  if (!status.ok()) exchange->stopped = status;
  return status.ok() ? 0 : 1;
}

size_t OnBody(char* data, size_t size, size_t count, void* context) {
  auto* exchange = static_cast<Exchange*>(context);
  const size_t bytes = size * count;
  if (exchange->options->keep_going != nullptr) {
    exchange->stopped = exchange->options->keep_going();
    if (!exchange->stopped.ok()) return 0;
  }
  HttpResponse& response = exchange->response;
  if (exchange->request->sink != nullptr && response.status / 100 == 2) {
    exchange->stopped = exchange->request->sink(response, std::as_bytes(std::span(data, bytes)));
    return exchange->stopped.ok() ? bytes : 0;
  }
  if (static_cast<int64_t>(response.body.size() + bytes) > exchange->request->max_answer_bytes) {
    exchange->stopped = absl::ResourceExhaustedError(
        absl::StrCat("an answer longer than the ", exchange->request->max_answer_bytes, " bytes that are taken"));
    return 0;
  }
  response.body.append(data, bytes);
  return bytes;
}

Status FromCurl(CURLcode code, const char* details) {
  const std::string text = OneLine(details[0] != '\0' ? details : curl_easy_strerror(code), 300);
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return absl::InvalidArgumentError(text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return absl::FailedPreconditionError(text);
    default:
      return absl::UnavailableError(text);
  }
}

class HeaderList {
 public:
  // "Expect:" and "Content-Type:" keep curl from adding its own; a header with an empty value is written "Name;".
  explicit HeaderList(const HttpRequest& request) {
    Add("Expect:");
    bool has_type = false;
    for (const auto& [name, value] : request.headers) {
      has_type = has_type || LowerCase(name) == "content-type";
      Add(value.empty() ? absl::StrCat(name, ";") : absl::StrCat(name, ": ", value));
    }
    if (!has_type) Add("Content-Type:");
  }
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  curl_slist* list() const { return list_; }

 private:
  void Add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* list_ = nullptr;
};

void Configure(CURL* curl, const HttpOptions& options) {
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_seconds));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, OnSend);
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
}

void SetRequest(CURL* curl, const HttpRequest& request, const HeaderList& headers) {
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list());
  // A proxy of the environment knows nothing of this machine's own servers.
  curl_easy_setopt(curl, CURLOPT_PROXY, IsLoopback(HostOfOrigin(OriginOf(request.url))) ? "" : nullptr);
  const bool has_body = !request.body.empty() || request.method == "PUT" || request.method == "POST";
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    // Taken from our memory, and sent again by curl where a kept connection turns out to be closed.
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    const char* body = request.body.empty() ? "" : reinterpret_cast<const char*>(request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

}  // namespace

std::string_view HttpHead::Header(std::string_view name) const {
  for (const auto& [header, value] : headers) {
    if (header == name) return value;
  }
  return {};
}

std::optional<int64_t> HttpHead::ContentLength() const {
  const std::string_view text = Header("content-length");
  int64_t length = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || length < 0) return std::nullopt;
  return length;
}

// Handles that are not in use, each with the connection it had last; the one used last goes out first, so that few
// connections are kept busy rather than many alive.
class HttpClient::HandlePool {
 public:
  ~HandlePool() {
    for (CURL* curl : idle_) curl_easy_cleanup(curl);
  }

  CURL* Take() {
    const MutexLock lock(&mutex_);
    if (idle_.empty()) return curl_easy_init();
    CURL* curl = idle_.back();
    idle_.pop_back();
    return curl;
  }

  void Give(CURL* curl) {
    curl_easy_reset(curl);  // keeps connections and names that were looked up
    const MutexLock lock(&mutex_);
    idle_.push_back(curl);
  }

 private:
  Mutex mutex_;
  std::vector<CURL*> idle_ ABSL_GUARDED_BY(mutex_);
};

HttpClient::HttpClient(const HttpOptions& options) : options_(options), handles_(std::make_unique<HandlePool>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpClient::~HttpClient() = default;

StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return absl::InvalidArgumentError(absl::StrCat(OriginOf(request.url), " is neither http:// nor https://"));
  }
  CURL* curl = handles_->Take();
  if (curl == nullptr) return absl::ResourceExhaustedError("no memory for an HTTP request");
  Exchange exchange;
  exchange.request = &request;
  exchange.options = &options_;
  char details[CURL_ERROR_SIZE] = "";
  Configure(curl, options_);
  const HeaderList headers(request);
  SetRequest(curl, request, headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, &exchange);
  if (options_.check_address != nullptr) {
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, OnOpenSocket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &exchange);
  }
  if (options_.keep_going != nullptr) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
  }
  const CURLcode code = curl_easy_perform(curl);
  const Status status = code == CURLE_OK ? absl::OkStatus() : FromCurl(code, details);
  handles_->Give(curl);
  if (!exchange.stopped.ok()) return Annotate(exchange.stopped, OriginOf(request.url));
  if (!status.ok()) return Annotate(status, OriginOf(request.url));
  return std::move(exchange.response);
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  const time_t seconds = curl_getdate(std::string(text).c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return static_cast<int64_t>(seconds);
}

std::string OriginOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return OneLine(url.substr(0, url.find_first_of("/?#")), 200);
  const size_t end = url.find_first_of("/?#", scheme + 3);
  std::string_view host = url.substr(scheme + 3, end == std::string_view::npos ? end : end - scheme - 3);
  if (const size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  return OneLine(absl::StrCat(url.substr(0, scheme), "://", host), 200);
}

std::string HostOfOrigin(std::string_view origin) {
  if (const size_t scheme = origin.find("://"); scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
  const size_t end = origin.starts_with('[') ? origin.find(']') + 1 : origin.find(':');
  return std::string(origin.substr(0, end));
}

}  // namespace lwq
