// SPDX-License-Identifier: Apache-2.0
// The coordinator's services asking for tokens, in this process: a token of each role for project "a" alone and for
// all, one that has expired, and calls of any method by its name.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/access/bearer_token.h"
#include "common/access/token_file.h"
#include "common/rpc/channel.h"
#include "coordinator/access/method_rules.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/convert_spec.h"
#include "coordinator/service/server.h"
#include "coordinator/store/memory_store.h"
#include "google/protobuf/dynamic_message.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/unit/coordinator/manual_clock.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {

// What a call may be about.
struct Target {
  std::string project;
  std::string run;
  std::string sweep;
  std::string worker;
  std::string worker_name;
};

class SecuredTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kDeadline{60};

  SecuredTest() {
    for (const Role role : kRoles) {
      tokens_[{role, "a"}] = Add(role, ProjectScope::Of({"a"}));
      tokens_[{role, "b"}] = Add(role, ProjectScope::Of({"b"}));
      tokens_[{role, "*"}] = Add(role, ProjectScope::All());
    }
    expired_ = Add(Role::kAdmin, ProjectScope::All(), 1);
    WriteTokens();
    auto book = TokenBook::Open(token_path(), std::chrono::milliseconds(0));
    LWQ_CHECK(book.ok(), book.status().ToString());
    book_ = *std::move(book);
    auto runtime = Runtime::Start({}, std::make_unique<MemoryStore>(), &clock_);
    LWQ_CHECK(runtime.ok(), runtime.status().ToString());
    runtime_ = *std::move(runtime);
    ServerOptions options;
    options.objects_uri = "file:///objects";
    options.tokens = book_.get();
    auto server = Server::Start(options, runtime_.get());
    LWQ_CHECK(server.ok(), server.status().ToString());
    server_ = *std::move(server);
    channel_ = OpenChannel(server_->address(), {});
  }
  ~SecuredTest() override {
    runtime_->Stop();
    server_->Shutdown(1000);
  }

  std::string token_path() const { return directory_.path() + "/tokens.json"; }
  void WriteTokens() { test::WriteFile(token_path(), FormatTokenFile(file_)); }
  std::string Add(Role role, ProjectScope projects, std::optional<int64_t> expires_unix_s = std::nullopt) {
    StatusOr<std::string> secret = NewBearerToken();
    LWQ_CHECK(secret.ok(), secret.status().ToString());
    file_.tokens.push_back({.name = absl::StrCat(RoleName(role), "-", file_.tokens.size()),
                            .sha256 = HashOfToken(*secret),
                            .role = role,
                            .projects = std::move(projects),
                            .created_unix_s = 0,
                            .expires_unix_s = expires_unix_s});
    return *std::move(secret);
  }
  const std::string& TokenOf(Role role, const std::string& project) const { return tokens_.at({role, project}); }

  // One call with the header "Bearer <token>" ("": without): the first message of the answer, or how the call ended.
  StatusOr<std::string> CallRaw(const std::string& path, const std::string& token, const std::string& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    const auto call = stub.PrepareCall(&context, path, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    wait();
    const grpc::Slice slice(request);
    const grpc::ByteBuffer bytes(&slice, 1);
    call->WriteLast(bytes, grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    const bool answered = wait();
    if (answered) context.TryCancel();  // whatever a stream had to say yet
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    queue.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
    }
    if (!answered) return FromGrpc(status);
    std::vector<grpc::Slice> slices;
    answer.Dump(&slices);
    std::string text;
    for (const grpc::Slice& part : slices) text.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return text;
  }
  template <typename Response, typename Request>
  StatusOr<Response> Call(const std::string& path, const std::string& token, const Request& request) {
    LWQ_ASSIGN_OR_RETURN(const std::string answer, CallRaw("/lwqat.v1." + path, token, request.SerializeAsString()));
    Response response;
    LWQ_CHECK(response.ParseFromString(answer), path);
    return response;
  }

  static RunSpec SpecOf(const std::string& project) {
    RunSpec spec = testing::NoopSpec(2);
    spec.project = project;
    return spec;
  }
  std::string Submit(const std::string& project) {
    wire::SubmitRunRequest request;
    ToWire(SpecOf(project), request.mutable_spec());
    const auto response = Call<wire::SubmitRunResponse>("RunService/SubmitRun", TokenOf(Role::kAdmin, "*"), request);
    LWQ_CHECK(response.ok(), response.status().ToString());
    return response->run().id();
  }
  std::string SubmitSweep(const std::string& project) {
    wire::SubmitSweepRequest request;
    FillSweep(project, request.mutable_spec());
    const auto response =
        Call<wire::SubmitSweepResponse>("SweepService/SubmitSweep", TokenOf(Role::kAdmin, "*"), request);
    LWQ_CHECK(response.ok(), response.status().ToString());
    return response->sweep().id();
  }
  static void FillSweep(const std::string& project, wire::SweepSpec* sweep) {
    sweep->set_name("sweep");
    ToWire(SpecOf(project), sweep->add_runs()->mutable_spec());
  }
  static wire::RegisterWorkerRequest Registration(const std::string& name) {
    wire::RegisterWorkerRequest request;
    request.set_name(name);
    request.set_numerics_class("cpu|avx512|torch");
    request.set_memory_bytes(int64_t{1} << 34);
    request.set_max_threads(4);
    return request;
  }
  std::string Register(const std::string& name, const std::string& token) {
    const auto response = Call<wire::RegisterWorkerResponse>("WorkerService/RegisterWorker", token, Registration(name));
    LWQ_CHECK(response.ok(), response.status().ToString());
    return response->worker_id();
  }

  testing::ManualClock clock_;
  test::TemporaryDirectory directory_;
  TokenFile file_;
  std::map<std::pair<Role, std::string>, std::string> tokens_;
  std::string expired_;
  std::unique_ptr<TokenBook> book_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace lwq::coordinator
