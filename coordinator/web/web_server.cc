// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/web_server.h"

#include <httplib.h>

#include <array>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/rpc/address.h"
#include "coordinator/access/web_peer.h"
#include "coordinator/web/connect_protocol.h"
#include "coordinator/web/connection_threads.h"
#include "coordinator/web/dashboard_files.h"
#include "coordinator/web/https_server.h"
#include "coordinator/web/request_guard.h"
#include "coordinator/web/rpc_bridge.h"
#include "coordinator/web/transcode.h"
#include "google/protobuf/descriptor.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/storage_service.pb.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::coordinator {
namespace {

using google::protobuf::MethodDescriptor;

constexpr size_t kMaxBodyBytes = 16 << 20;  // as gRPC's server takes
constexpr size_t kMaxConnections = 1024;
constexpr int kMaxStreams = 768;
constexpr std::chrono::seconds kPatience{5};
constexpr int kLengthRequired = 411;
constexpr size_t kRequestsPerConnection = 10'000;
// How soon a stream notices that its client has hung up, or that the server ends.
constexpr std::chrono::milliseconds kLookAround{500};

// What browsers may do with the page: load its own files, call its own server, and nothing else.
constexpr char kContentPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// The services of clients. A worker speaks gRPC.
const google::protobuf::ServiceDescriptor* FindService(const std::string& name) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const char* known : {"lwqat.v1.RunService", "lwqat.v1.SweepService", "lwqat.v1.StorageService"}) {
    if (name == known) return pool->FindServiceByName(known);
  }
  return nullptr;
}

StatusOr<const MethodDescriptor*> FindMethod(const std::string& service, const std::string& method) {
  const auto* found = FindService(service);
  const MethodDescriptor* descriptor = found == nullptr ? nullptr : found->FindMethodByName(method);
  if (descriptor == nullptr) {
    return absl::UnimplementedError("no such call: docs/api.md lists them, as /api/lwqat.v1.RunService/ListRuns");
  }
  return descriptor;
}

StatusOr<ConnectContent> ContentOf(const httplib::Request& request, const MethodDescriptor& method) {
  const std::optional<ConnectContent> content = ParseConnectContent(request.get_header_value("Content-Type"));
  if (!content.has_value() || content->stream != method.server_streaming()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Content-Type: ", method.name(), " takes ", ContentTypeOf({.json = true, .stream = method.server_streaming()}),
        " or ", ContentTypeOf({.json = false, .stream = method.server_streaming()})));
  }
  if (request.has_header("Content-Encoding")) {
    return absl::InvalidArgumentError("the body is compressed, which is not supported: send it as it is");
  }
  return *content;
}

StatusOr<BridgedCall> CallOf(const httplib::Request& request, const MethodDescriptor& method) {
  BridgedCall call;
  call.path = absl::StrCat("/", method.service()->full_name(), "/", method.name());
  for (const char* name : {"authorization", "traceparent"}) {
    if (!request.has_header(name)) continue;
    const std::string value = request.get_header_value(name);
    if (!IsMetadataValue(value)) {
      return absl::UnauthenticatedError(
          absl::StrCat("the header ", name, " has characters that no token has: give it as it was printed"));
    }
    call.metadata.emplace_back(name, value);
  }
  call.metadata.emplace_back(kWebPeerKey, absl::StrCat(request.remote_addr, ":", request.remote_port));
  LWQ_ASSIGN_OR_RETURN(call.timeout, ParseConnectTimeout(request.get_header_value("Connect-Timeout-Ms")));
  return call;
}

}  // namespace

class WebServer::Handlers {
 public:
  Handlers(const WebServerOptions& options, const std::shared_ptr<grpc::Channel>& channel)
      : bridge_(channel), files_(MakeDashboardFiles()) {
    const StatusOr<HostPort> listen = ParseHostPort(options.listen, /*allow_any_port=*/true);
    only_loopback_names_ = options.anybody && listen.ok() && IsLoopback(listen->host);
  }

  void Register(httplib::Server& server) {
    server.set_default_headers({{"Content-Security-Policy", kContentPolicy},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Referrer-Policy", "no-referrer"},
                                {"Cross-Origin-Resource-Policy", "same-origin"}});
    // Before the body is read, whose length the library limits only where it is said.
    server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (!request.has_header("Transfer-Encoding")) return httplib::Server::HandlerResponse::Unhandled;
      response.status = kLengthRequired;
      return httplib::Server::HandlerResponse::Handled;
    });
    for (const DashboardFile& file : files_) {
      server.Get(absl::StrCat("/", file.path),
                 [this, &file](const httplib::Request& request, httplib::Response& response) {
                   SendFile(file, request, response);
                 });
    }
    server.Post(R"(/api/([\w.]+)/(\w+))",
                [this](const httplib::Request& request, httplib::Response& response) { Answer(request, response); });
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.status == kLengthRequired) {
        RefuseAndHangUp("give the body's length (Content-Length)\n", response);
      } else if (response.body.empty()) {
        response.set_content("there is nothing here\n", "text/plain");
      }
    });
  }

 private:
  Status CheckRequest(const httplib::Request& request) const {
    return CheckOrigin(request.get_header_value("Host"), request.get_header_value("Sec-Fetch-Site"),
                       only_loopback_names_);
  }

  void SendFile(const DashboardFile& file, const httplib::Request& request, httplib::Response& response) const {
    const Status status = CheckOrigin(request.get_header_value("Host"), "", only_loopback_names_);
    if (!status.ok()) {
      response.status = HttpStatusOf(status.code());
      return response.set_content(absl::StrCat(MessageOf(status), "\n"), "text/plain");
    }
    response.set_header("ETag", file.etag);
    response.set_header("Cache-Control", "no-cache");
    response.set_header("Vary", "Accept-Encoding");
    if (request.get_header_value("If-None-Match") == file.etag) {
      response.status = 304;
      return;
    }
    // From a provider: what has a length the library does not compress once more.
    const bool packed = absl::StrContains(request.get_header_value("Accept-Encoding"), "gzip");
    if (packed) response.set_header("Content-Encoding", "gzip");
    const std::string_view body = packed ? std::string_view(file.gzip) : file.text;
    SendWhole(body, std::string(file.content_type), response);
  }

  // The body of the request has not been read: nobody may take it for another request.
  static void RefuseAndHangUp(std::string_view why, httplib::Response& response) {
    response.set_header("Connection", "close");
    response.set_content_provider(why.size(), "text/plain", [why](size_t, size_t, httplib::DataSink& sink) {
      sink.write(why.data(), why.size());
      return false;
    });
  }

  template <typename Body>
  static void SendWhole(Body body, const std::string& content_type, httplib::Response& response) {
    const size_t size = body.size();
    if (size == 0) return response.set_content("", content_type);
    response.set_content_provider(size, content_type,
                                  [body = std::move(body)](size_t offset, size_t length, httplib::DataSink& sink) {
                                    return sink.write(body.data() + offset, length);
                                  });
  }

  void Answer(const httplib::Request& request, httplib::Response& response) {
    const Status status = TryAnswer(request, response);
    if (status.ok()) return;
    response.status = HttpStatusOf(status.code());
    response.set_content(ConnectError(status), std::string(ContentTypeOf({.json = true, .stream = false})));
  }

  Status TryAnswer(const httplib::Request& request, httplib::Response& response) {
    LWQ_RETURN_IF_ERROR(CheckRequest(request));
    LWQ_ASSIGN_OR_RETURN(const MethodDescriptor* method, FindMethod(request.matches[1], request.matches[2]));
    LWQ_ASSIGN_OR_RETURN(const ConnectContent content, ContentOf(request, *method));
    LWQ_ASSIGN_OR_RETURN(const BridgedCall call, CallOf(request, *method));
    response.set_header("Cache-Control", "no-store");
    if (content.stream) return BeginStream(request, *method, content, call, response);
    std::string message = request.body;
    if (content.json) {
      LWQ_ASSIGN_OR_RETURN(message, JsonToWire(*method->input_type(), message.empty() ? "{}" : message));
    }
    LWQ_ASSIGN_OR_RETURN(std::string answer, bridge_.Unary(call, message));
    if (content.json) {
      LWQ_ASSIGN_OR_RETURN(answer, WireToJson(*method->output_type(), answer));
    }
    SendWhole(std::move(answer), std::string(ContentTypeOf(content)), response);
    return absl::OkStatus();
  }

  // From here on errors come at the stream's end, as the protocol has it.
  Status BeginStream(const httplib::Request& request, const MethodDescriptor& method, const ConnectContent& content,
                     const BridgedCall& call, httplib::Response& response) {
    if (streams_.fetch_add(1) >= kMaxStreams) {
      streams_.fetch_sub(1);
      return absl::ResourceExhaustedError(absl::StrCat(kMaxStreams, " streams are open: try again later"));
    }
    const std::shared_ptr<void> counted(nullptr, [this](void*) { streams_.fetch_sub(1); });
    StatusOr<std::string> message = FirstMessage(request, method, content);
    std::shared_ptr<BridgedStream> stream;
    if (message.ok()) stream = bridge_.Open(call, *message);
    response.set_header("Connection", "close");
    response.set_chunked_content_provider(
        std::string(ContentTypeOf(content)),
        [stream, counted, refused = message.status(), &method, json = content.json](size_t, httplib::DataSink& sink) {
          return stream == nullptr ? End(refused, sink) : Pass(*stream, method, json, sink);
        });
    return absl::OkStatus();
  }

  static StatusOr<std::string> FirstMessage(const httplib::Request& request, const MethodDescriptor& method,
                                            const ConnectContent& content) {
    LWQ_ASSIGN_OR_RETURN(const std::string_view message, UnwrapOnly(request.body));
    if (content.json) return JsonToWire(*method.input_type(), message.empty() ? "{}" : message);
    return std::string(message);
  }

  // False, and so the connection ends as well: what it would cost to keep it is more than a new one.
  static bool End(const Status& status, httplib::DataSink& sink) {
    const std::string end = WrapEnd(status);
    if (sink.write(end.data(), end.size())) sink.done();
    return false;
  }

  // One message, or nothing for a while; false: the client has hung up.
  static bool Pass(BridgedStream& stream, const MethodDescriptor& method, bool json, httplib::DataSink& sink) {
    switch (stream.Next(kLookAround)) {
      case BridgedStream::Event::kNothing:
        return sink.is_writable();
      case BridgedStream::Event::kEnd:
        return End(stream.status(), sink);
      case BridgedStream::Event::kMessage:
        break;
    }
    std::string message = stream.TakeMessage();
    if (json) {
      StatusOr<std::string> text = WireToJson(*method.output_type(), message);
      if (!text.ok()) return End(text.status(), sink);
      message = *std::move(text);
    }
    const std::string wrapped = Wrap(message);
    return sink.write(wrapped.data(), wrapped.size());
  }

  RpcBridge bridge_;
  const std::vector<DashboardFile> files_;
  bool only_loopback_names_ = false;
  std::atomic<int> streams_ = 0;
};

WebServer::WebServer(bool tls, std::unique_ptr<Handlers> handlers, std::unique_ptr<HttpListener> listener)
    : tls_(tls), handlers_(std::move(handlers)), listener_(std::move(listener)) {}

WebServer::~WebServer() = default;

StatusOr<std::unique_ptr<WebServer>> WebServer::Start(const WebServerOptions& options,
                                                      const std::shared_ptr<grpc::Channel>& channel) {
  auto server = std::make_unique<httplib::Server>();
  if (options.certificates != nullptr) {
    LWQ_ASSIGN_OR_RETURN(server, MakeHttpsServer(options.certificates));
  }
  server->new_task_queue = [] { return new ConnectionThreads(kMaxConnections); };
  server->set_read_timeout(kPatience);
  server->set_write_timeout(kPatience);
  server->set_keep_alive_timeout(kPatience.count());
  server->set_keep_alive_max_count(kRequestsPerConnection);
  server->set_payload_max_length(kMaxBodyBytes);
  server->set_tcp_nodelay(true);
  auto handlers = std::make_unique<Handlers>(options, channel);
  handlers->Register(*server);
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<HttpListener> listener,
                       HttpListener::Start("the dashboard", options.listen, std::move(server)));
  return std::unique_ptr<WebServer>(
      new WebServer(options.certificates != nullptr, std::move(handlers), std::move(listener)));
}

std::string WebServer::url() const {
  return absl::StrCat(tls_ ? "https" : "http", "://", address(), "/");
}

}  // namespace lwq::coordinator
