// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/fake_s3.h"

#include <map>

namespace lwq::test {
namespace {

// The certificate behind --tls; empty without.
std::string CertificateOf(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i] == "--tls") return arguments[i + 1];
  }
  return "";
}

}  // namespace

Environment FakeS3Environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    static const std::map<std::string, std::string, std::less<>> kVariables = {{"AWS_ACCESS_KEY_ID", "AKFAKE"},
                                                                               {"AWS_SECRET_ACCESS_KEY", "SKFAKE"}};
    const auto at = kVariables.find(name);
    if (at == kVariables.end()) return std::nullopt;
    return at->second;
  };
}

FakeS3::FakeS3(const std::vector<std::string>& arguments) : http_({.ca_file = CertificateOf(arguments)}) {
  const std::string port_file = folder_.path() + "/port";
  std::vector<std::string> argv = {"/usr/bin/env", "python3", std::string(LWQ_SOURCE_DIR) + "/tests/testing/fake_s3.py",
                                   "--port-file", port_file};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  process_ = Process(argv, folder_.path() + "/log");
  const StatusOr<std::string> port = WaitForFile(port_file, 60);
  LWQ_CHECK(port.ok(), port.status().message(), "\n", ReadFileOrEmpty(folder_.path() + "/log"));
  endpoint_ = absl::StrCat(CertificateOf(arguments).empty() ? "http" : "https", "://127.0.0.1:", *port);
}

std::string FakeS3::Uri(std::string_view prefix, std::string_view options) const {
  return absl::StrCat("s3://bucket/", prefix, "?endpoint=", endpoint_, options);
}

StoreContext FakeS3::Context() const {
  StoreContext context;
  context.environment = FakeS3Environment();
  context.wait = [](absl::Duration) { return absl::OkStatus(); };
  return context;
}

std::unique_ptr<ObjectStore> FakeS3::Open(std::string_view prefix, std::string_view options) const {
  StatusOr<std::unique_ptr<ObjectStore>> store = OpenObjectStore(Uri(prefix, options), Context());
  LWQ_CHECK(store.ok(), store.status().message());
  return *std::move(store);
}

std::string FakeS3::Ask(std::string_view method, std::string_view path, std::string_view body) {
  HttpRequest request;
  request.method = std::string(method);
  request.url = absl::StrCat(endpoint_, path);
  request.body = std::as_bytes(std::span(body.data(), body.size()));
  const StatusOr<HttpResponse> response = http_.Send(request);
  LWQ_CHECK(response.ok() && response->status == 200, response.status().message());
  return response->body;
}

void FakeS3::Fail(std::string_view kind, int times, std::string_view method, std::string_view contains) {
  const Json fault = {{"kind", kind}, {"times", times}, {"method", method}, {"contains", contains}};
  Ask("POST", "/_fault", fault.dump());
}

int64_t FakeS3::Count(const std::string& name) {
  const StatusOr<Json> stats = ParseJson(Ask("GET", "/_stats", ""), "stats");
  LWQ_CHECK(stats.ok(), stats.status().message());
  return stats->value(name, int64_t{0});
}

}  // namespace lwq::test
