// SPDX-License-Identifier: Apache-2.0
// The API and the dashboard over HTTP, on real sockets, before a real gRPC server in the process.
#include "coordinator/web/web_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <set>

#include "coordinator/web/connect_protocol.h"
#include "coordinator/web/rpc_bridge.h"
#include "nlohmann/json.hpp"
#include "tests/testing/certificates.h"
#include "tests/unit/coordinator/secured_fixture.h"
#include "tests/unit/coordinator/service_fixture.h"

namespace lwq::coordinator {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kJson[] = "application/json";

std::string Api(std::string_view method) {
  return absl::StrCat("/api/lwqat.v1.", method);
}

// Messages of a stream's body as far as it has come, the last one its end.
std::vector<std::string> Unwrapped(std::string_view body) {
  std::vector<std::string> messages;
  while (body.size() >= 5) {
    size_t size = 0;
    for (size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
    if (body.size() < 5 + size) break;
    messages.emplace_back(body.substr(5, size));
    body.remove_prefix(5 + size);
  }
  return messages;
}

class WebServerTest : public ServiceTest {
 protected:
  WebServerTest() : web_(StartWeb()), http_(HostOf(*web_), PortOf(*web_)) { http_.set_read_timeout(30); }

  std::unique_ptr<WebServer> StartWeb() {
    auto web = WebServer::Start({.listen = "127.0.0.1:0", .certificates = nullptr, .anybody = true},
                                server_->InProcessChannel());
    LWQ_CHECK(web.ok(), web.status().ToString());
    return *std::move(web);
  }
  static std::string HostOf(const WebServer& web) { return web.address().substr(0, web.address().rfind(':')); }
  static int PortOf(const WebServer& web) { return std::stoi(web.address().substr(web.address().rfind(':') + 1)); }

  httplib::Result Post(std::string_view method, const json& request) {
    return http_.Post(Api(method), request.dump(), kJson);
  }

  // All that comes back until the server hangs up.
  std::string AnswersOfOneConnection(std::string_view request) const {
    const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(PortOf(*web_)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    LWQ_CHECK(::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
    LWQ_CHECK(::write(connection, request.data(), request.size()) == static_cast<ssize_t>(request.size()), "write");
    std::string answers;
    std::array<char, 4096> part{};
    for (ssize_t got = ::read(connection, part.data(), part.size()); got > 0;
         got = ::read(connection, part.data(), part.size())) {
      answers.append(part.data(), static_cast<size_t>(got));
    }
    ::close(connection);
    return answers;
  }

  std::unique_ptr<WebServer> web_;
  httplib::Client http_;
};

TEST_F(WebServerTest, ACallInJsonIsTheCallOfGrpc) {
  const std::string id = Submit(testing::NoopSpec(3));
  const auto answer = Post("RunService/GetRun", {{"runId", id}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), kJson);
  EXPECT_EQ(answer->get_header_value("Cache-Control"), "no-store");
  const json run = json::parse(answer->body).at("run");
  EXPECT_EQ(run.at("id"), id);
  EXPECT_EQ(run.at("tasksTotal"), 3);
  const auto cancelled = Post("RunService/CancelRun", {{"runId", id}});
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(Get(id).state(), wire::RUN_STATE_CANCELLED);
}

TEST_F(WebServerTest, ACallInProtobufIsAnsweredInProtobuf) {
  const std::string id = Submit(testing::NoopSpec(3));
  wire::GetRunRequest request;
  request.set_run_id(id);
  const auto answer = http_.Post(Api("RunService/GetRun"), request.SerializeAsString(), "application/proto");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/proto");
  wire::GetRunResponse response;
  ASSERT_TRUE(response.ParseFromString(answer->body));
  EXPECT_EQ(response.run().id(), id);
}

TEST_F(WebServerTest, AnEmptyBodyIsAnEmptyRequest) {
  const auto answer = http_.Post(Api("RunService/GetServerInfo"), "", kJson);
  ASSERT_TRUE(answer);
  EXPECT_EQ(json::parse(answer->body).at("version"), "1.2.3");
}

TEST_F(WebServerTest, AnErrorHasItsStatusItsCodeAndTheWordsOfGrpc) {
  const auto error = [&](std::string_view method, const std::string& body, const char* content_type, int status,
                         const char* code) {
    const auto answer = http_.Post(Api(method), body, content_type);
    if (!answer) return std::string("no answer");
    EXPECT_EQ(answer->status, status) << method << " " << body;
    EXPECT_EQ(answer->get_header_value("Content-Type"), kJson);
    const json said = json::parse(answer->body, nullptr, false);
    EXPECT_EQ(said.value("code", ""), code) << answer->body;
    return said.value("message", "");
  };
  EXPECT_EQ(error("RunService/GetRun", R"({"runId": "no such"})", kJson, 404, "not_found"),
            "run 'no such' does not exist");
  EXPECT_THAT(error("RunService/GetRun", R"({"runID": "x"})", kJson, 400, "invalid_argument"), HasSubstr("runID"));
  EXPECT_THAT(error("RunService/GetRun", "{", kJson, 400, "invalid_argument"), HasSubstr("not JSON"));
  EXPECT_THAT(error("RunService/GetRun", "{}", "text/plain", 400, "invalid_argument"),
              HasSubstr("application/json or application/proto"));
  EXPECT_THAT(error("RunService/WatchRun", "{}", kJson, 400, "invalid_argument"),
              HasSubstr("application/connect+json"));
  EXPECT_THAT(error("RunService/Nothing", "{}", kJson, 501, "unimplemented"), HasSubstr("docs/api.md"));
  EXPECT_THAT(error("NoService/GetRun", "{}", kJson, 501, "unimplemented"), HasSubstr("docs/api.md"));
}

TEST_F(WebServerTest, WorkersCallsAreNotServed) {
  for (const MethodRule& rule : MethodRules()) {
    if (rule.service != "WorkerService") continue;
    const auto answer = http_.Post(absl::StrCat("/api/lwqat.v1.WorkerService/", rule.name), "{}", kJson);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 501) << rule.name;
  }
}

TEST_F(WebServerTest, ATimeoutOfTheCallersIsTheCalls) {
  // Nothing else ends this one.
  const auto late =
      http_.Post(Api("RunService/WatchRuns"), {{"Connect-Timeout-Ms", "50"}}, Wrap("{}"), "application/connect+json");
  ASSERT_TRUE(late);
  EXPECT_EQ(json::parse(Unwrapped(late->body).back()).at("error").at("code"), "deadline_exceeded");
  const auto wrong = http_.Post(Api("RunService/ListRuns"), {{"Connect-Timeout-Ms", "soon"}}, "{}", kJson);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->status, 400);
}

TEST_F(WebServerTest, AStreamSendsItsMessagesAndThenItsEnd) {
  const std::string worker = Register("a");
  const std::string id = Submit(testing::NoopSpec(2));
  RunToEnd(worker);
  const auto answer =
      http_.Post(Api("RunService/WatchRun"), Wrap(json{{"runId", id}}.dump()), "application/connect+json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "application/connect+json");
  const std::vector<std::string> messages = Unwrapped(answer->body);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(json::parse(messages[0]).at("run").at("state"), "RUN_STATE_SUCCEEDED");
  EXPECT_EQ(messages[1], "{}");
}

// Nobody waits five seconds for a request that does not come, a thread to each.
TEST_F(WebServerTest, AStreamThatHasEndedEndsItsConnectionAsWell) {
  const std::string body = Wrap(R"({"runId": "no such"})");
  const std::string answer = AnswersOfOneConnection(absl::StrCat(
      "POST ", Api("RunService/WatchRun"),
      " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ", body.size(),
      "\r\n\r\n", body));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, HasSubstr("not_found"));
  EXPECT_THAT(answer, ::testing::EndsWith("0\r\n\r\n"));
}

TEST_F(WebServerTest, AnErrorOfAStreamIsInItsEnd) {
  const auto end = [&](const std::string& body) {
    const auto answer = http_.Post(Api("RunService/WatchRun"), body, "application/connect+json");
    if (!answer || answer->status != 200) return json("no answer");
    const std::vector<std::string> messages = Unwrapped(answer->body);
    return messages.size() == 1 ? json::parse(messages[0]).at("error") : json(answer->body);
  };
  EXPECT_EQ(end(Wrap(R"({"runId": "no such"})")).at("code"), "not_found");
  EXPECT_EQ(end(Wrap("[")).at("code"), "invalid_argument");
  EXPECT_EQ(end("").at("code"), "invalid_argument");
  EXPECT_EQ(end("abc").at("code"), "invalid_argument");
}

// All runs are watched while they are submitted, ended and deleted; in the end the server stops.
TEST_F(WebServerTest, AStreamWithoutEndEndsWithTheCoordinator) {
  const std::string first = Submit(testing::NoopSpec(1));
  std::promise<void> seen_first, seen_deletion;
  std::string body;
  std::set<std::string> runs;
  bool deleted = false;
  auto watching = std::async(std::launch::async, [&] {
    httplib::Client http(HostOf(*web_), PortOf(*web_));
    http.set_read_timeout(60);
    httplib::Request request;
    request.method = "POST";
    request.path = Api("RunService/WatchRuns");
    request.body = Wrap("{}");
    request.set_header("Content-Type", "application/connect+json");
    request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
      body.append(data, size);
      for (const std::string& text : Unwrapped(body)) {
        const json message = json::parse(text);
        for (const json& run : message.value("runs", json::array())) {
          if (runs.insert(run.at("id")).second && runs.size() == 1) seen_first.set_value();
        }
        if (!message.value("deleted", json::array()).empty() && !std::exchange(deleted, true))
          seen_deletion.set_value();
      }
      return true;
    };
    return http.send(request);
  });
  seen_first.get_future().wait();
  wire::DeleteRunRequest gone;
  gone.set_run_id(first);
  gone.set_force(true);
  wire::DeleteRunResponse response;
  ASSERT_TRUE(Call(*runs_, &wire::RunService::Stub::DeleteRun, gone, &response).ok());
  clock_.Advance(1000);
  seen_deletion.get_future().wait();
  runtime_->Stop();
  const auto answer = watching.get();
  ASSERT_TRUE(answer) << httplib::to_string(answer.error());
  EXPECT_THAT(runs, ElementsAre(first));
  EXPECT_EQ(json::parse(Unwrapped(body).back()).at("error").at("code"), "unavailable");
}

TEST_F(WebServerTest, StreamsWhoseClientsHaveGoneAreLetGoOf) {
  Submit(testing::NoopSpec(1));
  for (int i = 0; i < 800; ++i) {  // more than may be open at once
    httplib::Client http(HostOf(*web_), PortOf(*web_));
    httplib::Request request;
    request.method = "POST";
    request.path = Api("RunService/WatchRuns");
    request.body = Wrap("{}");
    request.set_header("Content-Type", "application/connect+json");
    request.content_receiver = [](const char*, size_t, uint64_t, uint64_t) { return false; };  // hangs up
    auto answer = http.send(request);
    // Where many go at once they are noticed within a second: till then others are told to come again.
    while (answer && answer->status == 429) answer = http.send(request);
    ASSERT_EQ(answer.error(), httplib::Error::Canceled) << i;
  }
}

TEST_F(WebServerTest, TheDashboardIsServedWithItsPolicyAndKnownAgain) {
  const auto page = http_.Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->body, HasSubstr("<title>LayerWise-QAT</title>"));
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("script-src 'self'"));
  EXPECT_EQ(page->get_header_value("X-Content-Type-Options"), "nosniff");
  // Nothing in the page is loaded from elsewhere, and nothing runs that is not in a file of its own.
  EXPECT_THAT(page->body, Not(HasSubstr("http")));
  EXPECT_THAT(page->body, Not(HasSubstr("<script>")));
  for (const char* path : {"/app.js", "/app.css", "/LICENCES.txt"}) {
    const auto file = http_.Get(path);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->status, 200) << path;
    const auto again = http_.Get(path, {{"If-None-Match", file->get_header_value("ETag")}});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->status, 304) << path;
    EXPECT_EQ(again->body, "");
  }
}

TEST_F(WebServerTest, FilesComeCompressedToThoseWhoTakeIt) {
  const auto plain = http_.Get("/app.js");
  http_.set_decompress(false);
  const auto packed = http_.Get("/app.js", {{"Accept-Encoding", "gzip, deflate, br"}});
  ASSERT_TRUE(plain && packed);
  EXPECT_EQ(packed->get_header_value("Content-Encoding"), "gzip");
  EXPECT_LT(packed->body.size(), plain->body.size());
  // Everything that a cold browser loads, within what the dashboard may weigh.
  EXPECT_LT(packed->body.size(), 200u << 10);
}

TEST_F(WebServerTest, WhatIsNotThereIsNotFound) {
  for (const char* path : {"/nothing", "/../etc/passwd", "/app.js/", "/api/lwqat.v1.RunService/ListRuns"}) {
    const auto answer = http_.Get(path);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 404) << path;
  }
}

TEST_F(WebServerTest, AnotherHostNameIsRefusedWhereNobodyIsAskedForAToken) {
  const auto page = http_.Get("/", {{"Host", "rebound.example.org"}});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 403);
  const auto call = http_.Post(Api("RunService/ListRuns"), {{"Host", "rebound.example.org"}}, "{}", kJson);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->status, 403);
  const auto from_page = http_.Post(Api("RunService/ListRuns"), {{"Sec-Fetch-Site", "cross-site"}}, "{}", kJson);
  ASSERT_TRUE(from_page);
  EXPECT_EQ(from_page->status, 403);
}

TEST_F(WebServerTest, ABodyOfUnknownLengthIsRefusedAndNothingInItIsARequest) {
  const std::string inner = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string answer =
      AnswersOfOneConnection(absl::StrCat("POST ", Api("RunService/ListRuns"),
                                          " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                          "Transfer-Encoding: chunked\r\n\r\n",
                                          absl::Hex(inner.size()), "\r\n", inner, "\r\n0\r\n\r\n"));
  EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 411 "));
  EXPECT_THAT(answer, ::testing::EndsWith("(Content-Length)\n"));
}

TEST_F(WebServerTest, LongPathsAndLargeBodiesAreRefusedOrAnswered) {
  const std::string name(8000, 'a');
  const auto long_path = http_.Post(Api(name + "/GetRun"), "{}", kJson);
  ASSERT_TRUE(long_path);
  EXPECT_EQ(long_path->status, 501);
  const auto longer = http_.Post(Api(name + name + "/GetRun"), "{}", kJson);
  EXPECT_TRUE(!longer || longer->status == 414);
  const auto large = http_.Post(Api("RunService/ListRuns"), std::string(17 << 20, ' '), kJson);
  EXPECT_TRUE(!large || large->status == 413);
  EXPECT_TRUE(Post("RunService/ListRuns", json::object())) << "it goes on";
}

TEST_F(WebServerTest, AHeaderThatGrpcWouldNotTakeIsRefusedBeforeIt) {
  for (const char* name : {"Authorization", "traceparent"}) {
    const auto answer = http_.Post(Api("RunService/ListRuns"), {{name, "Bearer caf\xc3\xa9"}}, "{}", kJson);
    ASSERT_TRUE(answer) << name;
    EXPECT_EQ(answer->status, 401) << name;
  }
  EXPECT_TRUE(IsMetadataValue("Bearer lwq_~ !"));
  for (const int c : {0x00, 0x09, 0x0a, 0x1f, 0x7f, 0x80, 0xff}) {
    EXPECT_FALSE(IsMetadataValue(std::string("a") + static_cast<char>(c) + "b")) << c;
  }
}

TEST_F(WebServerTest, AnAddressThatIsInUseIsRefused) {
  const auto second = WebServer::Start({.listen = web_->address(), .certificates = nullptr, .anybody = true},
                                       server_->InProcessChannel());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("cannot serve the dashboard on"));
}

class WebSecurityTest : public SecuredTest {
 protected:
  std::unique_ptr<WebServer> StartWeb(const CertificateWatch* certificates = nullptr) {
    auto web = WebServer::Start({.listen = "127.0.0.1:0", .certificates = certificates, .anybody = false},
                                server_->InProcessChannel());
    LWQ_CHECK(web.ok(), web.status().ToString());
    return *std::move(web);
  }
  static int PortOf(const WebServer& web) { return std::stoi(web.address().substr(web.address().rfind(':') + 1)); }
};

// As a browser calls, with an empty request: what the call then finds missing is not what this is about.
TEST_F(WebSecurityTest, OverHttpTheSameTableSaysWhoMayCall) {
  const auto web = StartWeb();
  httplib::Client http("127.0.0.1", PortOf(*web));
  http.set_read_timeout(60);
  for (const MethodRule& rule : MethodRules()) {
    if (rule.service == "WorkerService") continue;
    const bool stream = google::protobuf::DescriptorPool::generated_pool()
                            ->FindServiceByName(absl::StrCat("lwqat.v1.", rule.service))
                            ->FindMethodByName(std::string(rule.name))
                            ->server_streaming();
    const auto code = [&](const httplib::Headers& headers) -> std::string {
      httplib::Request request;
      request.method = "POST";
      request.path = absl::StrCat("/api/lwqat.v1.", rule.service, "/", rule.name);
      request.headers = headers;
      request.set_header("Content-Type", stream ? "application/connect+json" : "application/json");
      request.body = stream ? Wrap("{}") : "{}";
      std::string body;
      request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
        body.append(data, size);
        return !stream || Unwrapped(body).empty();  // its first message is enough
      };
      (void)http.send(request);
      const json answer = json::parse(stream ? Unwrapped(body).at(0) : body, nullptr, false);
      return answer.value("error", answer).value("code", "");
    };
    EXPECT_EQ(code({}), "unauthenticated") << rule.name;
    EXPECT_EQ(code({{"Authorization", "Bearer " + *NewBearerToken()}}), "unauthenticated") << rule.name;
    for (const Role role : kRoles) {
      const std::string said = code({{"Authorization", "Bearer " + TokenOf(role, "*")}});
      EXPECT_EQ(said == "permission_denied", !Includes(role, rule.least)) << rule.name << " by " << RoleName(role);
      EXPECT_NE(said, "unauthenticated") << rule.name;
    }
  }
}

TEST_F(WebSecurityTest, AnotherHostNameIsAnsweredWhereTokensAreAsked) {
  const auto web = StartWeb();
  httplib::Client http("127.0.0.1", PortOf(*web));
  const auto page = http.Get("/", {{"Host", "lwq.example.org"}});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
}

// Certificates in files, taken up as they change.
class WebTlsTest : public WebSecurityTest {
 protected:
  WebTlsTest() {
    test::WriteFile(path("ca.crt"), ca_.cert());
    Serve("first");
    const test::KeyPair client = ca_.Sign("browser");
    test::WriteFile(path("client.crt"), client.cert);
    test::WriteFile(path("client.key"), client.key);
  }
  std::string path(const char* name) const { return absl::StrCat(directory_.path(), "/", name); }
  void Serve(const std::string& name) {
    const test::KeyPair pair = ca_.Sign(name);
    test::WriteFile(path("server.key"), pair.key);
    test::WriteFile(path("server.crt"), pair.cert);
  }
  std::unique_ptr<CertificateWatch> Watch(bool mutual) const {
    auto watch = CertificateWatch::Start({mutual ? path("ca.crt") : "", path("server.crt"), path("server.key")},
                                         std::chrono::milliseconds(10));
    LWQ_CHECK(watch.ok(), watch.status().ToString());
    return *std::move(watch);
  }
  httplib::Result Get(httplib::SSLClient& http) const {
    http.set_ca_cert_path(path("ca.crt").c_str());
    return http.Get("/");
  }

  const test::CertificateAuthority ca_{"a CA"};
};

TEST_F(WebTlsTest, WithCertificatesItIsHttpsAndNothingElse) {
  const auto watch = Watch(/*mutual=*/false);
  const auto web = StartWeb(watch.get());
  EXPECT_THAT(web->url(), ::testing::StartsWith("https://127.0.0.1:"));
  httplib::SSLClient https("127.0.0.1", PortOf(*web));
  const auto page = Get(https);
  ASSERT_TRUE(page) << httplib::to_string(page.error());
  EXPECT_EQ(page->status, 200);
  httplib::Client plain("127.0.0.1", PortOf(*web));
  EXPECT_FALSE(plain.Get("/"));
}

TEST_F(WebTlsTest, WhoMustShowACertificateToGrpcMustHere) {
  const auto watch = Watch(/*mutual=*/true);
  const auto web = StartWeb(watch.get());
  httplib::SSLClient nobody("127.0.0.1", PortOf(*web));
  EXPECT_FALSE(Get(nobody));
  httplib::SSLClient known("127.0.0.1", PortOf(*web), path("client.crt"), path("client.key"));
  const auto page = Get(known);
  ASSERT_TRUE(page) << httplib::to_string(page.error());
  EXPECT_EQ(page->status, 200);
  const test::CertificateAuthority other("another CA");
  const test::KeyPair stranger = other.Sign("browser");
  test::WriteFile(path("stranger.crt"), stranger.cert);
  test::WriteFile(path("stranger.key"), stranger.key);
  httplib::SSLClient unknown("127.0.0.1", PortOf(*web), path("stranger.crt"), path("stranger.key"));
  EXPECT_FALSE(Get(unknown));
}

TEST_F(WebTlsTest, ARenewedCertificateIsShownWithoutARestart) {
  const auto watch = Watch(/*mutual=*/false);
  const auto web = StartWeb(watch.get());
  EXPECT_EQ(test::SubjectServedAt(web->address(), {}), "CN = first");
  Serve("second");
  while (test::SubjectServedAt(web->address(), {}) == "CN = first") std::this_thread::yield();
  EXPECT_EQ(test::SubjectServedAt(web->address(), {}), "CN = second");
}

}  // namespace
}  // namespace lwq::coordinator
