// SPDX-License-Identifier: Apache-2.0
// The table of who may call what: against the proto files, and against a second list written by hand.
#include <map>
#include <set>
#include <string>

#include "coordinator/access/caller.h"
#include "coordinator/access/method_rules.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/storage_service.pb.h"
#include "lwqat/v1/sweep_service.pb.h"
#include "lwqat/v1/worker_service.pb.h"

namespace lwq::coordinator {
namespace {

using ::testing::HasSubstr;

// "/lwqat.v1.RunService/GetRun" of every method of the package's proto files.
std::set<std::string> MethodsOfProto() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {lwqat::v1::GetRunRequest::descriptor()->file(), lwqat::v1::GetSweepRequest::descriptor()->file(),
        lwqat::v1::ListRootsRequest::descriptor()->file(), lwqat::v1::LeaseTaskRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.insert("/" + file->service(s)->full_name() + "/" + file->service(s)->method(m)->name());
      }
    }
  }
  return methods;
}

std::set<std::string> NamesWhere(const std::function<bool(const MethodRule&)>& holds) {
  std::set<std::string> names;
  for (const MethodRule& rule : MethodRules()) {
    if (holds(rule)) names.insert(std::string(rule.name));
  }
  return names;
}

TEST(MethodRulesTest, EveryMethodOfTheProtoHasOneRowAndEveryRowIsOfOne) {
  std::set<std::string> rows;
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_TRUE(rows.insert("/lwqat.v1." + std::string(rule.service) + "/" + std::string(rule.name)).second);
    EXPECT_EQ(&RuleOf(rule.rpc), &rule);
  }
  EXPECT_EQ(rows, MethodsOfProto()) << "add the new call to coordinator/access/methods.inc, and say who may make it";
  for (const std::string& path : rows) EXPECT_NE(FindRule(path), nullptr) << path;
  EXPECT_EQ(FindRule("/grpc.health.v1.Health/Check"), nullptr);
}

TEST(MethodRulesTest, WhatEachRoleMayDoIsWhatIsMeant) {
  const std::set<std::string> looking = {"GetServerInfo", "PlanRun",     "GetRun",   "ListRuns",   "WatchRun",
                                         "WatchRuns",     "ExplainRuns", "WhyTask",  "GetRunLogs", "ListWorkers",
                                         "ScheduleRun",   "PlanSweep",   "GetSweep", "ListSweeps", "WatchSweep"};
  const std::set<std::string> changing = {"SubmitRun",      "SubmitRuns",  "CancelRun",  "DeleteRun",
                                          "RemakeArtifact", "PauseRun",    "ResumeRun",  "SubmitSweep",
                                          "CancelSweep",    "DeleteSweep", "PauseSweep", "ResumeSweep"};
  const std::set<std::string> running_it = {"ReleaseWorker", "ListRoots", "ListArtifacts", "ReportLostArtifacts"};
  const std::set<std::string> working = {"RegisterWorker", "LeaseTask", "Heartbeat", "ReportTask"};
  const auto least = [](Role role) {
    return NamesWhere([role](const MethodRule& rule) { return rule.least == role; });
  };
  EXPECT_EQ(least(Role::kViewer), looking);
  EXPECT_EQ(least(Role::kSubmitter), changing);
  EXPECT_EQ(least(Role::kAdmin), running_it);
  EXPECT_EQ(least(Role::kWorker), working);
}

TEST(MethodRulesTest, OnlyWhatTellsNothingOfAnybodyIsWithoutARuleOfProjects) {
  EXPECT_EQ(NamesWhere([](const MethodRule& rule) { return rule.projects == ProjectRule::kNone; }),
            std::set<std::string>{"GetServerInfo"});
  EXPECT_EQ(NamesWhere([](const MethodRule& rule) { return rule.projects == ProjectRule::kAll; }),
            (std::set<std::string>{"ReleaseWorker", "ListRoots", "ListArtifacts", "ReportLostArtifacts"}));
}

TokenRecord Token(Role role, ProjectScope projects) {
  return {.name = "ci",
          .sha256 = {},
          .role = role,
          .projects = std::move(projects),
          .created_unix_s = 0,
          .expires_unix_s = {}};
}

TEST(CallerTest, ARefusalSaysWhatIsMissing) {
  const Caller viewer = Caller::Of(Token(Role::kViewer, ProjectScope::Of({"a"})));
  const Status role = viewer.CheckMethod(RuleOf(Rpc::kCancelRun));
  EXPECT_EQ(role.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(role.message(), "CancelRun needs the role submitter, and token 'ci' has the role viewer");
  const Caller admin = Caller::Of(Token(Role::kAdmin, ProjectScope::Of({"a", "b"})));
  EXPECT_EQ(admin.CheckMethod(RuleOf(Rpc::kListRoots)).message(),
            "ListRoots needs a token for all projects, and token 'ci' is for projects 'a', 'b'");
  EXPECT_EQ(viewer.CheckNamed("c").message(), "project 'c' needs a token for it, and token 'ci' is for project 'a'");
  EXPECT_THAT(std::string(viewer.CheckNamed("").message()), HasSubstr("names no project"));
}

TEST(CallerTest, ARefusalDoesNotNameTheProjectOfOthers) {
  const Caller viewer = Caller::Of(Token(Role::kViewer, ProjectScope::Of({"a"})));
  const Status status = viewer.CheckOf("run '12ab'", "secret-merger");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "run '12ab' is of a project that token 'ci' is not for: it is for project 'a'");
}

TEST(CallerTest, WhereNobodyIsAskedEverythingIsAllowed) {
  const Caller anybody = Caller::Anybody();
  for (const MethodRule& rule : MethodRules()) EXPECT_TRUE(anybody.CheckMethod(rule).ok()) << rule.name;
  EXPECT_TRUE(anybody.MaySee("") && anybody.MaySee("a"));
}

}  // namespace
}  // namespace lwq::coordinator
