// SPDX-License-Identifier: Apache-2.0
// Every call, made over the wire by every role for its own project and for another: what is let in is what the table
// says. So a method whose handler forgets to ask the gate, or looks up a run without asking whose it is, is found here.
#include <fstream>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "lwqat/v1/storage_service.pb.h"
#include "tests/unit/coordinator/secured_fixture.h"

namespace lwq::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class AuthorizationTest : public SecuredTest {
 protected:
  // A request of the method that is about the target, with every field filled that says so.
  static std::string RequestAbout(const MethodRule& rule, const Target& target) {
    const auto* pool = google::protobuf::DescriptorPool::generated_pool();
    const auto* service = pool->FindServiceByName("lwqat.v1." + std::string(rule.service));
    const auto* type = service->FindMethodByName(std::string(rule.name))->input_type();
    const std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    const auto set = [&](const char* field, const std::string& value) {
      const auto* descriptor = type->FindFieldByName(field);
      if (descriptor != nullptr && descriptor->cpp_type() == descriptor->CPPTYPE_STRING) {
        request->GetReflection()->SetString(request.get(), descriptor, value);
      }
    };
    set("run_id", target.run);
    set("run_a", target.run);
    set("run_b", target.run);
    // A list is asked for whole: one of a sweep of others names it, and is refused (below).
    if (rule.projects != ProjectRule::kFiltered) set("sweep_id", target.sweep);
    set("worker_id", target.worker);
    set("worker", target.worker);
    set("task", "task");
    if (auto* plan = dynamic_cast<wire::PlanRunRequest*>(request.get()))
      ToWire(SpecOf(target.project), plan->mutable_spec());
    if (auto* one = dynamic_cast<wire::SubmitRunRequest*>(request.get()))
      ToWire(SpecOf(target.project), one->mutable_spec());
    if (auto* some = dynamic_cast<wire::SubmitRunsRequest*>(request.get())) {
      ToWire(SpecOf(target.project), some->add_runs()->mutable_spec());
    }
    if (auto* plan = dynamic_cast<wire::PlanSweepRequest*>(request.get()))
      FillSweep(target.project, plan->mutable_spec());
    if (auto* sweep = dynamic_cast<wire::SubmitSweepRequest*>(request.get())) {
      FillSweep(target.project, sweep->mutable_spec());
    }
    if (auto* registration = dynamic_cast<wire::RegisterWorkerRequest*>(request.get())) {
      *registration = Registration(target.worker_name);
    }
    return request->SerializeAsString();
  }

  // Anew for each call, since calls end runs.
  Target NewTarget(const std::string& project) {
    const std::string name = absl::StrCat("worker-", next_++);
    return {.project = project,
            .run = Submit(project),
            .sweep = SubmitSweep(project),
            .worker = Register(name, TokenOf(Role::kWorker, project)),
            .worker_name = name};
  }

  // What the table means for a token for "a" alone.
  static bool IsAllowed(const MethodRule& rule, Role role, bool own) {
    if (!Includes(role, rule.least)) return false;
    switch (rule.projects) {
      case ProjectRule::kNone:
      case ProjectRule::kFiltered:
        return true;
      case ProjectRule::kAll:
        return false;
      default:
        return own;
    }
  }

  static std::string PathOf(const MethodRule& rule) { return absl::StrCat("/lwqat.v1.", rule.service, "/", rule.name); }

 private:
  int next_ = 0;
};

TEST_F(AuthorizationTest, EveryCallIsLetInForTheRolesAndProjectsOfItsRowAndNoOthers) {
  for (const MethodRule& rule : MethodRules()) {
    for (const Role role : kRoles) {
      for (const bool own : {true, false}) {
        const Target target = NewTarget(own ? "a" : "b");
        const Status status = CallRaw(PathOf(rule), TokenOf(role, "a"), RequestAbout(rule, target)).status();
        const bool refused = absl::IsPermissionDenied(status);
        EXPECT_EQ(refused, !IsAllowed(rule, role, own)) << rule.name << " by " << RoleName(role) << " for "
                                                        << (own ? "its own" : "another") << " project: " << status;
        EXPECT_FALSE(absl::IsUnauthenticated(status) || absl::IsUnimplemented(status)) << rule.name << ": " << status;
        if (refused) {
          EXPECT_THAT(std::string(status.message()), ::testing::MatchesRegex(".*token '.*' .*|.*needs.*"));
        }
      }
    }
  }
}

TEST_F(AuthorizationTest, ATokenForAllProjectsIsLetInByItsRoleAlone) {
  for (const MethodRule& rule : MethodRules()) {
    for (const Role role : kRoles) {
      const Target target = NewTarget("b");
      const Status status = CallRaw(PathOf(rule), TokenOf(role, "*"), RequestAbout(rule, target)).status();
      EXPECT_EQ(absl::IsPermissionDenied(status), !Includes(role, rule.least)) << rule.name << ": " << status;
    }
  }
}

TEST_F(AuthorizationTest, MissingForgedAndExpiredTokensAreRefusedByEveryCall) {
  const Target target = NewTarget("a");
  const std::string forged = *NewBearerToken();
  const std::string hash = HashOfToken(TokenOf(Role::kAdmin, "*")).hex();
  for (const MethodRule& rule : MethodRules()) {
    for (const std::string& token : {std::string(), forged, hash, std::string("x"), expired_}) {
      const Status status = CallRaw(PathOf(rule), token, RequestAbout(rule, target)).status();
      EXPECT_TRUE(absl::IsUnauthenticated(status)) << rule.name << " with '" << token << "': " << status;
      EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr(forged)));
    }
  }
}

TEST_F(AuthorizationTest, ARefusalOfTheTokenSaysInOneLineWhatToDo) {
  const auto call = [&](const std::string& token) {
    return std::string(CallRaw("/lwqat.v1.RunService/ListRuns", token, "").status().message());
  };
  EXPECT_EQ(call(""),
            "no token was sent: give --token-file or set LWQ_TOKEN_FILE (the header authorization: Bearer TOKEN)");
  EXPECT_EQ(call("lwq_nonsense"), "the token is not one of this coordinator: it was revoked, or is another's");
  EXPECT_THAT(call(expired_), HasSubstr("has expired on 1970-01-01T00:00:01Z: ask for a new one"));
}

TEST_F(AuthorizationTest, ListsShowWhatIsOfTheCallersProjects) {
  const std::string of_a = Submit("a"), of_b = Submit("b"), of_none = Submit("");
  const std::string sweep_a = SubmitSweep("a"), sweep_b = SubmitSweep("b");
  const auto runs = [&](const std::string& project) {
    std::vector<std::string> ids;
    const auto response =
        Call<wire::ListRunsResponse>("RunService/ListRuns", TokenOf(Role::kViewer, project), wire::ListRunsRequest());
    for (const wire::Run& run : response->runs()) {
      if (run.sweep_id().empty()) ids.push_back(run.id());
    }
    return ids;
  };
  EXPECT_THAT(runs("a"), ElementsAre(of_a));
  EXPECT_THAT(runs("b"), ElementsAre(of_b));
  EXPECT_THAT(runs("*"), ElementsAre(of_none, of_b, of_a));
  const auto sweeps = [&](const std::string& project) {
    std::vector<std::string> ids;
    const auto response = Call<wire::ListSweepsResponse>("SweepService/ListSweeps", TokenOf(Role::kViewer, project),
                                                         wire::ListSweepsRequest());
    for (const wire::Sweep& sweep : response->sweeps()) ids.push_back(sweep.id());
    return ids;
  };
  wire::ListRunsRequest of_sweep;
  of_sweep.set_sweep_id(sweep_b);
  EXPECT_TRUE(absl::IsPermissionDenied(
      Call<wire::ListRunsResponse>("RunService/ListRuns", TokenOf(Role::kViewer, "a"), of_sweep).status()));
  EXPECT_THAT(sweeps("a"), ElementsAre(sweep_a));
  EXPECT_THAT(sweeps("*"), ElementsAre(sweep_b, sweep_a));
}

TEST_F(AuthorizationTest, AWorkerIsGivenTasksOfItsProjectsAlone) {
  const std::string of_a = Submit("a");
  const std::string worker_b = Register("wb", TokenOf(Role::kWorker, "b"));
  wire::LeaseTaskRequest lease;
  lease.set_worker_id(worker_b);
  const auto none = Call<wire::LeaseTaskResponse>("WorkerService/LeaseTask", TokenOf(Role::kWorker, "b"), lease);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_lease());
  const std::string worker_a = Register("wa", TokenOf(Role::kWorker, "a"));
  lease.set_worker_id(worker_a);
  const auto some = Call<wire::LeaseTaskResponse>("WorkerService/LeaseTask", TokenOf(Role::kWorker, "a"), lease);
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_TRUE(some->has_lease());

  // Its title is not for those of b.
  const auto workers = Call<wire::ListWorkersResponse>("RunService/ListWorkers", TokenOf(Role::kViewer, "b"),
                                                       wire::ListWorkersRequest());
  std::map<std::string, std::string> tasks;
  for (const wire::WorkerInfo& worker : workers->workers()) tasks[worker.name()] = worker.task();
  EXPECT_EQ(tasks.at("wa"), "(of others)");
}

TEST_F(AuthorizationTest, AWorkerWhoseTokenWasRenewedIsToldToRegisterAgain) {
  const std::string worker = Register("w", TokenOf(Role::kWorker, "a"));
  const std::string renewed = Add(Role::kWorker, ProjectScope::Of({"a"}));
  WriteTokens();
  wire::LeaseTaskRequest lease;
  lease.set_worker_id(worker);
  const auto call = [&](const std::string& token) {
    return Call<wire::LeaseTaskResponse>("WorkerService/LeaseTask", token, lease).status();
  };
  EXPECT_TRUE(absl::IsNotFound(call(renewed)));
  lease.set_worker_id(Register("w", renewed));
  EXPECT_TRUE(call(renewed).ok());
}

TEST_F(AuthorizationTest, ARevokedTokenIsRefusedAndEndsWhatItWatches) {
  const std::string run = Submit("a");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  context.AddMetadata("authorization", "Bearer " + TokenOf(Role::kViewer, "a"));
  wire::WatchRunRequest request;
  request.set_run_id(run);
  const auto stub = wire::RunService::NewStub(channel_);
  const auto stream = stub->WatchRun(&context, request);
  wire::WatchRunResponse message;
  ASSERT_TRUE(stream->Read(&message));
  std::erase_if(file_.tokens, [](const TokenRecord& token) { return token.role == Role::kViewer; });
  WriteTokens();
  // Whatever happens to the run, its watchers are looked at.
  wire::CancelRunRequest cancel;
  cancel.set_run_id(run);
  ASSERT_TRUE(Call<wire::CancelRunResponse>("RunService/CancelRun", TokenOf(Role::kAdmin, "a"), cancel).ok());
  clock_.Advance(1000);
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  wire::GetRunRequest get;
  get.set_run_id(run);
  EXPECT_TRUE(absl::IsUnauthenticated(
      Call<wire::GetRunResponse>("RunService/GetRun", TokenOf(Role::kViewer, "a"), get).status()));
}

TEST_F(AuthorizationTest, ADamagedFileOfTokensChangesNothing) {
  test::WriteFile(token_path(), "{ half of a fi");
  EXPECT_TRUE(CallRaw("/lwqat.v1.RunService/ListRuns", TokenOf(Role::kViewer, "a"), "").ok());
  WriteTokens();
  EXPECT_TRUE(CallRaw("/lwqat.v1.RunService/ListRuns", TokenOf(Role::kViewer, "a"), "").ok());
}

}  // namespace
}  // namespace lwq::coordinator
