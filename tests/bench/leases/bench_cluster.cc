// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/leases/bench_cluster.h"

#include <unistd.h>

#include <ctime>

#include "common/access/bearer_token.h"
#include "common/access/token_file.h"
#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "tests/testing/process.h"

namespace lwq::coordinator {
namespace {

template <typename T>
T OrDie(StatusOr<T> value) {
  LWQ_CHECK(value.ok(), value.status().ToString());
  return *std::move(value);
}

}  // namespace

BenchCluster::BenchCluster(Doors doors) : doors_(doors) {
  directory_ = std::filesystem::temp_directory_path() / ("lwq-bench-leases-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory_);
  RuntimeOptions options;
  options.scheduler.lease_ms = 600'000;  // no heartbeats in the way
  runtime_ = OrDie(Runtime::Start(std::move(options), OrDie(OpenStore("sqlite:" + path("state.db"))), &clock_));
  ServerOptions server_options;
  server_options.objects_uri = "file:///unused";
  if (doors_ != Doors::kPlain) WriteSecrets(server_options);
  server_ = OrDie(Server::Start(server_options, runtime_.get()));
}

BenchCluster::~BenchCluster() {
  runtime_->Stop();
  server_->Shutdown(1000);
  server_.reset();
  runtime_.reset();
  std::filesystem::remove_all(directory_);
}

void BenchCluster::WriteSecrets(ServerOptions& options) {
  test::WriteFile(path("ca.crt"), ca_.cert());
  for (const char* name : {"server", "client"}) {
    const test::KeyPair pair = ca_.Sign(name);
    test::WriteFile(path(std::string(name) + ".crt"), pair.cert);
    test::WriteFile(path(std::string(name) + ".key"), pair.key);
  }
  certificates_ = OrDie(CertificateWatch::Start({path("ca.crt"), path("server.crt"), path("server.key")}));
  options.certificates = certificates_.get();
  if (doors_ == Doors::kTls) return;
  TokenFile file;
  for (const Role role : {Role::kAdmin, Role::kWorker}) {
    const std::string secret = OrDie(NewBearerToken());
    const std::string name(RoleName(role));
    test::WriteFile(path(name + ".token"), secret);
    file.tokens.push_back({.name = name,
                           .sha256 = HashOfToken(secret),
                           .role = role,
                           .projects = ProjectScope::All(),
                           .created_unix_s = 0,
                           .expires_unix_s = std::time(nullptr) + 3600});
  }
  test::WriteFile(path("tokens.json"), FormatTokenFile(file));
  tokens_ = OrDie(TokenBook::Open(path("tokens.json")));
  options.tokens = tokens_.get();
  options.audit_log = path("audit.jsonl");
  options.metrics = &metrics_;
}

std::shared_ptr<const CallerSecurity> BenchCluster::Security(bool admin) const {
  if (doors_ == Doors::kPlain) return nullptr;
  CallerFiles files;
  files.certificates = {path("ca.crt"), path("client.crt"), path("client.key")};
  if (doors_ == Doors::kSecured) files.token = path(admin ? "admin.token" : "worker.token");
  return OrDie(CallerSecurity::Open(files));
}

void BenchCluster::Submit(int tasks) {
  lwqat::v1::SubmitRunRequest request;
  request.mutable_spec()->mutable_recipe()->set_method("noop");
  request.mutable_spec()->mutable_recipe()->set_train_size(tasks);
  lwqat::v1::SubmitRunResponse response;
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  const auto channel = OpenChannel(address(), {.security = Security(/*admin=*/true)});
  const grpc::Status status = lwqat::v1::RunService::NewStub(channel)->SubmitRun(&context, request, &response);
  LWQ_CHECK(status.ok(), status.error_message());
}

}  // namespace lwq::coordinator
