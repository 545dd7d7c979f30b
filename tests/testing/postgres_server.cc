// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/postgres_server.h"

#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "libpq-fe.h"

namespace lwq::test {
namespace {

constexpr uid_t kNobody = 65534;
constexpr std::chrono::seconds kPatience(60);
constexpr std::chrono::milliseconds kPause(10);

// The newest that is there.
std::string ProgramFolder() {
  std::vector<std::string> found;
  for (const char* root : {LWQ_SOURCE_DIR "/build/tools/postgresql", ""}) {
    std::error_code ignored;
    for (const auto& version :
         std::filesystem::directory_iterator(std::string(root) + "/usr/lib/postgresql", ignored)) {
      if (std::filesystem::exists(version.path() / "bin/initdb")) found.push_back((version.path() / "bin").string());
    }
    if (!found.empty()) break;
  }
  LWQ_CHECK(!found.empty(), "there is no PostgreSQL to test with: run scripts/setup");
  return *std::max_element(found.begin(), found.end());
}

// The child is nobody where this process is root, and ends with it all the same.
std::vector<std::string> AsOrdinaryUser(std::vector<std::string> command) {
  if (::geteuid() != 0) return command;
  std::vector<std::string> argv = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                   "--pdeathsig=QUIT"};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

}  // namespace

PostgresServer::PostgresServer() {
  const std::string programs = ProgramFolder();
  const std::string& folder = folder_.path();
  if (::geteuid() == 0) LWQ_CHECK(::chown(folder.c_str(), kNobody, kNobody) == 0, "chown ", folder);
  const TemporaryDirectory scratch;
  const Finished made = RunToEnd(AsOrdinaryUser({programs + "/initdb", "-D", folder + "/data", "-U", "app", "-A",
                                                 "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"}),
                                 scratch.path());
  LWQ_CHECK(made.exit_code == 0, "initdb: ", made.out, made.err);
  process_ = Process(
      AsOrdinaryUser({programs + "/postgres", "-D", folder + "/data", "-k", folder, "-c", "listen_addresses=", "-c",
                      "fsync=off", "-c", "full_page_writes=off", "-c", "jit=off", "-c", "max_wal_senders=2"}),
      folder + "/log");
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (PQping(UriOf("postgres").c_str()) != PQPING_OK) {
    LWQ_CHECK(process_.Running() && std::chrono::steady_clock::now() < end,
              "PostgreSQL did not start: ", ReadFileOrEmpty(folder + "/log"));
    std::this_thread::sleep_for(kPause);
  }
}

PostgresServer::~PostgresServer() {
  process_.Signal(SIGQUIT);  // ends its sessions' processes, too
  process_.Wait();
}

std::string PostgresServer::UriOf(const std::string& database, const std::string& user) const {
  return absl::StrCat("postgresql:///", database, "?host=", folder_.path(), "&user=", user);
}

std::string PostgresServer::DatabaseOf(const std::string& uri) {
  const size_t begin = uri.find(":///") + 4;
  return uri.substr(begin, uri.find('?') - begin);
}

std::string PostgresServer::NewDatabase(const std::string& options) {
  const std::string name = absl::StrCat("test_", ++databases_);
  Execute(UriOf("postgres"), absl::StrCat("CREATE DATABASE ", name, " ", options));
  return UriOf(name);
}

std::string PostgresServer::Execute(const std::string& uri, const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(uri.c_str()), PQfinish);
  LWQ_CHECK(PQstatus(connection.get()) == CONNECTION_OK, PQerrorMessage(connection.get()));
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  LWQ_CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, sql, ": ", PQerrorMessage(connection.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

void PostgresServer::WaitUntil(const std::string& uri, const std::string& query) const {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (Execute(uri, query) != "t") {
    LWQ_CHECK(std::chrono::steady_clock::now() < end, "it did not come to pass: ", query);
    std::this_thread::sleep_for(kPause);
  }
}

void PostgresServer::EndSessions(const std::string& uri) const {
  const std::string theirs = absl::StrCat(
      " FROM pg_stat_activity WHERE application_name = 'lwq-coordinator' AND datname = '", DatabaseOf(uri), "'");
  const std::string anywhere = UriOf("postgres");
  const std::string process = Execute(anywhere, absl::StrCat("SELECT max(pid)", theirs));
  Execute(anywhere, absl::StrCat("SELECT pg_terminate_backend(pid)", theirs));
  // A new one may be there already.
  if (!process.empty()) {
    WaitUntil(anywhere, absl::StrCat("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ", process, ")"));
  }
}

PostgresServer& TestPostgres() {
  static PostgresServer server;
  return server;
}

}  // namespace lwq::test
