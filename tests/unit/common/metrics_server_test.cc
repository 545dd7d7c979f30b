// SPDX-License-Identifier: Apache-2.0
// The port that shows metrics: what is answered, what is refused, and who may keep whom waiting.
#include "common/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "common/file/posix_file.h"
#include "common/http/http_client.h"
#include "common/metrics/families.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/collectable.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Libraries that compute keep so much for every thread: more than the 100 KiB that some servers give a thread's stack.
thread_local char large_for_every_thread[256 << 10];

class OneGauge : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily family = GaugeFamily("lwq_store_open", "1 while it is open");
    AddSeries(family, {}, 1);
    return {family};
  }
};

class MetricsServerTest : public ::testing::Test {
 protected:
  MetricsServerTest() : server_(MetricsServer::Start("127.0.0.1:0", {std::make_shared<OneGauge>()})) {}

  HttpResponse Ask(const std::string& path, const std::string& method = "GET") {
    HttpClient http({});
    HttpRequest request;
    request.method = method;
    request.url = absl::StrCat("http://", (*server_)->address(), path);
    const StatusOr<HttpResponse> response = http.Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : HttpResponse();
  }
  UniqueFd Connect() const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string& address = (*server_)->address();
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(connection.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return connection;
  }
  // What is answered to these bytes, up to the end of the connection.
  std::string Say(const std::string& bytes) const {
    const UniqueFd connection = Connect();
    EXPECT_EQ(::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    std::string answer;
    char piece[512];
    for (ssize_t got; (got = ::recv(connection.get(), piece, sizeof piece, 0)) > 0;) {
      answer.append(piece, static_cast<size_t>(got));
    }
    return answer;
  }

  StatusOr<std::unique_ptr<MetricsServer>> server_;
};

TEST_F(MetricsServerTest, MetricsAreServedAsPrometheusTextAlsoWhereLibrariesKeepMuchForEveryThread) {
  large_for_every_thread[0] = 1;  // so that it is there
  ASSERT_TRUE(server_.ok()) << server_.status();
  const HttpResponse page = Ask("/metrics");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.Header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("# TYPE lwq_store_open gauge\nlwq_store_open 1\n"));
  EXPECT_EQ(Ask("/metrics?name=x").body, page.body);
}

TEST_F(MetricsServerTest, WhateverElseIsAskedIsRefusedByItsStatus) {
  EXPECT_EQ(Ask("/").status, 404);
  EXPECT_EQ(Ask("/metricsx").status, 404);
  EXPECT_EQ(Ask("/metrics", "DELETE").status, 404);
  EXPECT_THAT(Say("HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n"), ::testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(Say("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(MetricsServerTest, WhoConnectsAndSaysNothingKeepsNobodyFromTheMetricsOrFromTheEnd) {
  const UniqueFd silent = Connect();
  EXPECT_EQ(Ask("/metrics").status, 200);
  const UniqueFd second = Connect(), third = Connect();  // more than there are threads: the server ends all the same
  server_->reset();
}

TEST_F(MetricsServerTest, AnAddressThatCannotBeBoundIsRefusedInOneLine) {
  const auto taken = MetricsServer::Start((*server_)->address(), {});
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(taken.status().message()),
              StartsWith("cannot serve metrics on " + (*server_)->address() + ": is the port in use"));
  EXPECT_EQ(MetricsServer::Start("nowhere", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MetricsServer::Start("192.0.2.1:0", {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace lwq
