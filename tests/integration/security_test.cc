// SPDX-License-Identifier: Apache-2.0
// Coordinator, worker and lwq as a platform team runs them: mutual TLS, tokens, an audit log; health, metrics and the
// answers to KEDA on ports of their own.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/json/json.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "keda/external_scaler.grpc.pb.h"
#include "tests/testing/certificates.h"
#include "tests/testing/process.h"

namespace lwq::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr double kPatienceSeconds = 60;

std::string Binary(const std::string& name) {
  return std::string(LWQ_BINARY_DIR) + "/bin/" + name;
}

class SecurityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteFile(path("ca.crt"), ca_.cert());
    Write("server", ca_.Sign("coordinator"));
    Write("user", ca_.Sign("user"));
    Write("pool", ca_.Sign("pool"));
    WriteFile(path("run.yaml"), "method: noop\ntrain_size: 3\nname: quiet\nproject: a\n");
    MakeToken("admin", {"--role", "admin", "--all-projects"});
    MakeToken("viewer-a", {"--role", "viewer", "--project", "a"});
    MakeToken("submitter-a", {"--role", "submitter", "--project", "a"});
    MakeToken("submitter-b", {"--role", "submitter", "--project", "b"});
    MakeToken("pool", {"--role", "worker", "--all-projects"});
  }
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Write(const std::string& name, const KeyPair& pair) {
    WriteFile(path(name + ".key"), pair.key);
    WriteFile(path(name + ".crt"), pair.cert);
  }
  Finished Run(std::vector<std::string> argv) {
    argv.front() = Binary(argv.front());
    return RunToEnd(argv, directory_.path());
  }
  // Into the file NAME.token.
  void MakeToken(const std::string& name, const std::vector<std::string>& flags) {
    std::vector<std::string> argv = {
        "lwq", "token", "create", name, "--tokens", path("tokens.json"), "--out", path(name + ".token")};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const Finished made = Run(argv);
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_EQ(made.out, "");
  }
  void StartCoordinator() {
    std::filesystem::remove(path("address"));
    std::filesystem::remove(path("coordinator.log"));
    coordinator_ = Process({Binary("lwq-coordinator"),
                            "--store",
                            "sqlite:" + path("state.db"),
                            "--objects",
                            "file://" + path("objects"),
                            "--address-file",
                            path("address"),
                            "--tls-cert",
                            path("server.crt"),
                            "--tls-key",
                            path("server.key"),
                            "--tls-client-ca",
                            path("ca.crt"),
                            "--tokens",
                            path("tokens.json"),
                            "--audit-log",
                            path("audit.jsonl"),
                            "--health-listen",
                            "127.0.0.1:0",
                            "--metrics-listen",
                            "127.0.0.1:0",
                            "--scaler-listen",
                            "127.0.0.1:0",
                            "--log-format",
                            "json"},
                           path("coordinator.log"));
    const auto address = WaitForFile(path("address"), kPatienceSeconds);
    ASSERT_TRUE(address.ok()) << ReadFileOrEmpty(path("coordinator.log"));
    address_ = *address;
  }
  Finished Lwq(std::vector<std::string> arguments, const std::string& token, const std::string& pair = "user",
               const std::string& timeout = "60") {
    arguments.insert(arguments.begin(), "lwq");
    arguments.insert(arguments.end(), {"--coordinator", address_, "--tls-ca", path("ca.crt"), "--timeout", timeout});
    if (!pair.empty()) {
      arguments.insert(arguments.end(), {"--tls-cert", path(pair + ".crt"), "--tls-key", path(pair + ".key")});
    }
    if (!token.empty()) arguments.insert(arguments.end(), {"--token-file", path(token + ".token")});
    return Run(arguments);
  }
  void StartWorker() {
    worker_ = Process({Binary("lwq-worker"), "--coordinator", address_, "--cache-dir", path("cache"), "--name", "w",
                       "--tls-ca", path("ca.crt"), "--tls-cert", path("pool.crt"), "--tls-key", path("pool.key"),
                       "--token-file", path("pool.token"), "--log-format", "json"},
                      path("worker.log"));
  }
  // What follows `prefix` in a line of the coordinator's output.
  std::string Printed(const std::string& prefix) {
    std::ifstream log(path("coordinator.log"));
    for (std::string line; std::getline(log, line);) {
      if (line.starts_with(prefix)) return line.substr(prefix.size());
    }
    return "";
  }
  // Where the coordinator says in its log that KEDA is answered.
  std::string ScalerAddress() {
    const std::string said = "answering KEDA address=";
    std::ifstream log(path("coordinator.log"));
    for (std::string line; std::getline(log, line);) {
      if (const size_t at = line.find(said); at != std::string::npos) {
        return line.substr(at + said.size(), line.find('"', at) - at - said.size());
      }
    }
    return "";
  }
  // The first question of a poll of KEDA's, by a caller with these files, over a connection of its own. A patient one
  // tries to connect until the deadline.
  grpc::Status AskScaler(const CertificateFiles& files, bool patient, externalscaler::GetMetricSpecResponse* spec) {
    ChannelOptions options{.own_connection = true};
    if (!files.ca.empty()) {
      const auto security = CallerSecurity::Open({.certificates = files});
      LWQ_CHECK(security.ok(), security.status().ToString());
      options.security = *security;
    }
    externalscaler::ScaledObjectRef object;
    auto& metadata = *object.mutable_scalermetadata();
    metadata["device"] = "NVIDIA L4";
    metadata["memory"] = "22GiB";
    metadata["deviceSeconds"] = "1800";
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    context.set_wait_for_ready(patient);
    return externalscaler::ExternalScaler::NewStub(OpenChannel(ScalerAddress(), options))
        ->GetMetricSpec(&context, object, spec);
  }
  std::string Submit() {
    const Finished submitted = Lwq({"submit", path("run.yaml"), "--json"}, "submitter-a");
    EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
    return (*ParseJson(submitted.out, "submit"))["runs"][0]["id"];
  }
  static mode_t ModeOf(const std::string& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }
  std::vector<Json> AuditLines() {
    std::vector<Json> lines;
    std::ifstream log(path("audit.jsonl"));
    for (std::string line; std::getline(log, line);) lines.push_back(*ParseJson(line, "audit"));
    return lines;
  }

  const CertificateAuthority ca_{"CA"};
  TemporaryDirectory directory_;
  Process coordinator_;
  Process worker_;
  std::string address_;
};

TEST_F(SecurityTest, ARunGoesThroughWithMutualTlsAndTokensAndEveryRoleIsKeptToItsOwn) {
  StartCoordinator();
  StartWorker();
  const std::string run = Submit();
  const Finished watched = Lwq({"watch", run}, "viewer-a");
  EXPECT_EQ(watched.exit_code, 0) << watched.err << ReadFileOrEmpty(path("worker.log"));

  const std::string shown = run.substr(0, 8);
  EXPECT_THAT(Lwq({"list"}, "viewer-a").out, HasSubstr(shown));
  EXPECT_THAT(Lwq({"list"}, "submitter-b").out, Not(HasSubstr(shown)));
  const Finished others = Lwq({"get", run}, "submitter-b");
  EXPECT_THAT(others.err, HasSubstr("is of a project that token 'submitter-b' is not for: it is for project 'b'"));
  EXPECT_EQ(std::count(others.err.begin(), others.err.end(), '\n'), 1) << others.err;
  const Finished viewer = Lwq({"cancel", run}, "viewer-a");
  EXPECT_THAT(viewer.err, HasSubstr("CancelRun needs the role submitter, and token 'viewer-a' has the role viewer"));
  EXPECT_THAT(Lwq({"list"}, "").err, HasSubstr("no token was sent: give --token-file or set LWQ_TOKEN_FILE"));
  EXPECT_THAT(Lwq({"list"}, "pool").err, HasSubstr("needs the role viewer, and token 'pool' has the role worker"));
  EXPECT_THAT(Lwq({"gc", "--dry-run"}, "submitter-a").err, HasSubstr("ListRoots needs the role admin"));
  EXPECT_EQ(Lwq({"gc", "--dry-run"}, "admin").exit_code, 0);

  // A line each for what changed something and what was refused; no secret in any file.
  std::vector<std::string> seen;
  for (const Json& line : AuditLines()) {
    seen.push_back(absl::StrCat(line["who"].get<std::string>(), " ", line["method"].get<std::string>(), " ",
                                line["result"].get<std::string>()));
    EXPECT_THAT(line["certificate"].get<std::string>(), ::testing::AnyOf("CN=user", "CN=pool")) << line.dump();
  }
  EXPECT_THAT(seen,
              ::testing::IsSupersetOf({"submitter-a RunService/SubmitRuns OK", "pool WorkerService/RegisterWorker OK",
                                       "submitter-b RunService/GetRun PERMISSION_DENIED",
                                       "viewer-a RunService/CancelRun PERMISSION_DENIED",
                                       " RunService/ListRuns UNAUTHENTICATED", "admin StorageService/ListRoots OK"}));
  EXPECT_THAT(ReadFileOrEmpty(path("audit.jsonl")), HasSubstr(run));
  for (const char* token : {"admin", "viewer-a", "submitter-a", "submitter-b", "pool"}) {
    const std::string secret = ReadFileOrEmpty(path(std::string(token) + ".token")).substr(0, 47);
    ASSERT_EQ(secret.size(), 47U);
    for (const char* file :
         {"audit.jsonl", "coordinator.log", "worker.log", "tokens.json", "state.db", "state.db-wal"}) {
      EXPECT_THAT(ReadFileOrEmpty(path(file)), Not(HasSubstr(secret))) << token << " in " << file;
    }
  }
}

TEST_F(SecurityTest, CallersInPlaintextOrWithoutACertificateAreRefusedWithAHint) {
  StartCoordinator();
  for (const char* patience : {"0.5", "2"}) {  // the last attempt has ended, or is under way
    const Finished plain = Run({"lwq", "list", "--coordinator", address_, "--timeout", patience});
    EXPECT_EQ(plain.exit_code, 3);
    EXPECT_THAT(plain.err, HasSubstr("if it serves TLS, give --tls-ca"));
    EXPECT_EQ(std::count(plain.err.begin(), plain.err.end(), '\n'), 1) << plain.err;
  }
  const Finished without = Lwq({"list"}, "admin", /*pair=*/"", "0.5");
  EXPECT_EQ(without.exit_code, 3);
  EXPECT_THAT(without.err, HasSubstr("if it asks for a certificate, give --tls-cert and --tls-key"));
}

TEST_F(SecurityTest, KedaIsAnsweredWithACertificateOfTheCaAndNobodyElse) {
  Write("stranger", CertificateAuthority("another CA").Sign("keda"));
  StartCoordinator();
  ASSERT_THAT(ScalerAddress(), StartsWith("127.0.0.1:"));
  ASSERT_NE(ScalerAddress(), address_);
  externalscaler::GetMetricSpecResponse spec;
  const grpc::Status answered =
      AskScaler({.ca = path("ca.crt"), .cert = path("user.crt"), .key = path("user.key")}, /*patient=*/true, &spec);
  ASSERT_TRUE(answered.ok()) << answered.error_message();
  ASSERT_EQ(spec.metricspecs_size(), 1);
  EXPECT_EQ(spec.metricspecs(0).targetsizefloat(), 1800);

  const std::vector<std::pair<const char*, CertificateFiles>> refused = {
      {"without a certificate", {.ca = path("ca.crt")}},
      {"with another CA's", {.ca = path("ca.crt"), .cert = path("stranger.crt"), .key = path("stranger.key")}},
      {"in plaintext", {}},
  };
  for (const auto& [how, files] : refused) {
    const grpc::Status status = AskScaler(files, /*patient=*/false, &spec);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << how << ": " << status.error_message();
  }
}

TEST_F(SecurityTest, ARevokedTokenIsRefusedWithoutARestart) {
  StartCoordinator();
  EXPECT_EQ(Lwq({"list"}, "viewer-a").exit_code, 0);
  EXPECT_EQ(Run({"lwq", "token", "revoke", "viewer-a", "--tokens", path("tokens.json")}).exit_code, 0);
  Finished refused;
  do {
    refused = Lwq({"list"}, "viewer-a");
  } while (refused.exit_code == 0);
  EXPECT_THAT(refused.err, HasSubstr("the token is not one of this coordinator"));
  EXPECT_EQ(Lwq({"list"}, "admin").exit_code, 0);
}

TEST_F(SecurityTest, NoCallFailsWhileTheCertificateOfTheServerIsReplaced) {
  StartCoordinator();
  StartWorker();
  const KeyPair next = ca_.Sign("coordinator, renewed");
  WriteFile(path("server.key"), next.key);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Lwq({"list"}, "admin").exit_code, 0);
  WriteFile(path("server.crt"), next.cert);
  const KeyPair shown = ca_.Sign("client");
  while (SubjectServedAt(address_, shown).find("renewed") == std::string::npos) {
    EXPECT_EQ(Lwq({"list"}, "admin").exit_code, 0);
  }
  const std::string run = Submit();
  EXPECT_EQ(Lwq({"watch", run}, "viewer-a").exit_code, 0);
}

TEST_F(SecurityTest, StateAndSecretsAreTheOwnersAlone) {
  StartCoordinator();
  Submit();
  for (const char* file : {"tokens.json", "admin.token", "audit.jsonl", "state.db", "state.db-wal"}) {
    EXPECT_EQ(ModeOf(path(file)), 0600U) << file;
  }
}

TEST_F(SecurityTest, MetricsAreServedInPlaintextAndNameNobody) {
  StartCoordinator();
  Submit();
  const std::string url = Printed("metrics on ");
  ASSERT_THAT(url, StartsWith("http://127.0.0.1:"));
  const Finished page = RunToEnd(
      {"/usr/bin/env", "python3", "-c",
       "import sys, urllib.request\nsys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())", url},
      directory_.path());
  ASSERT_EQ(page.exit_code, 0) << page.err;
  EXPECT_THAT(page.out,
              AllOf(HasSubstr("lwq_store_open 1\n"), HasSubstr("lwq_rpc_total{code=\"OK\",method=\"SubmitRuns\"} "),
                    HasSubstr("lwq_runs{state=\"running\"} 1\n"), HasSubstr("lwq_commit_seconds_bucket")));
  EXPECT_THAT(page.out, AllOf(Not(HasSubstr("quiet")), Not(HasSubstr("submitter"))));
}

TEST_F(SecurityTest, EveryLineOfTheJsonLogIsAnObject) {
  StartCoordinator();
  StartWorker();
  const std::string run = Submit();
  ASSERT_EQ(Lwq({"watch", run}, "viewer-a").exit_code, 0);
  worker_.Signal(SIGTERM);
  EXPECT_EQ(worker_.Wait(), 0);
  coordinator_.Signal(SIGTERM);
  EXPECT_EQ(coordinator_.Wait(), 0);
  bool attempt_seen = false;
  for (const char* file : {"coordinator.log", "worker.log"}) {
    std::ifstream log(path(file));
    for (std::string line; std::getline(log, line);) {
      if (line.empty() || line.front() != '{') {
        // What the program says on standard output: where it is.
        EXPECT_THAT(line, ::testing::MatchesRegex("(lwq-coordinator listening on|health on|metrics on) .*"));
        continue;
      }
      const StatusOr<Json> json = ParseJson(line, "line");
      ASSERT_TRUE(json.ok()) << line;
      EXPECT_TRUE(json->contains("time") && json->contains("level") && json->contains("message")) << line;
      attempt_seen = attempt_seen || (json->contains("attempt") && json->contains("task"));
    }
  }
  EXPECT_TRUE(attempt_seen);
}

}  // namespace
}  // namespace lwq::test
