// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/fake_hub.h"

namespace lwq::test {

FakeHub::FakeHub() : http_(HttpOptions{}) {
  const std::string port_file = folder_.path() + "/port";
  process_ = Process(
      {"/usr/bin/env", "python3", std::string(LWQ_SOURCE_DIR) + "/tests/testing/fake_hub.py", "--port-file", port_file},
      folder_.path() + "/log");
  const StatusOr<std::string> port = WaitForFile(port_file, 60);
  LWQ_CHECK(port.ok(), port.status().message(), "\n", ReadFileOrEmpty(folder_.path() + "/log"));
  endpoint_ = absl::StrCat("http://127.0.0.1:", *port);
}

std::string FakeHub::Ask(std::string_view method, std::string_view path, const std::string& body) {
  HttpRequest request;
  request.method = std::string(method);
  request.url = absl::StrCat(endpoint_, path);
  request.body = std::as_bytes(std::span(body.data(), body.size()));
  request.max_answer_bytes = 64 << 20;
  const StatusOr<HttpResponse> response = http_.Send(request);
  LWQ_CHECK(response.ok() && response->status == 200, response.status().message());
  return response->body;
}

std::string FakeHub::Commit(const std::string& id, const std::string& folder, Json more) {
  more["id"] = id;
  more["folder"] = folder;
  return Ask("POST", "/_repo", more.dump());
}

void FakeHub::Fail(std::string_view kind, int times, std::string_view server, std::string_view contains,
                   std::string_view method, int skip) {
  const Json fault = {{"kind", kind},         {"times", times},   {"server", server},
                      {"contains", contains}, {"method", method}, {"skip", skip}};
  Ask("POST", "/_fault", fault.dump());
}

void FakeHub::ExpireSignedUrls() {
  Ask("POST", "/_expire", "{}");
}

std::vector<FakeHub::Request> FakeHub::Log() {
  const StatusOr<Json> log = ParseJson(Ask("GET", "/_log", ""), "log");
  LWQ_CHECK(log.ok(), log.status().message());
  std::vector<Request> requests;
  for (const Json& entry : *log) {
    requests.push_back({entry.at("server"), entry.at("method"), entry.at("path"), entry.at("headers")});
  }
  return requests;
}

int FakeHub::Count(std::string_view server, std::string_view contains, std::string_view method) {
  int count = 0;
  for (const Request& request : Log()) {
    const bool matches = request.server == server && request.path.find(contains) != std::string::npos &&
                         (method.empty() || request.method == method);
    count += matches ? 1 : 0;
  }
  return count;
}

int FakeHub::Waiting() {
  return std::stoi(Ask("GET", "/_waiting", ""));
}

}  // namespace lwq::test
