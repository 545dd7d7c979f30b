// SPDX-License-Identifier: Apache-2.0
// What every verb of lwq shares: where it prints, how it is stopped, its flags, and how it reaches a coordinator.
//
// A verb is a file under verbs/ with one Add…Verb function, which declares the verb's flags and sets `action` when the
// verb was chosen. The action runs after the whole line has been parsed; errors it returns become the one line on
// standard error and the exit code (base/exit_code.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "client/base/console.h"
#include "client/base/exit_code.h"
#include "client/base/interrupt.h"
#include "client/local/local_cluster.h"
#include "client/rpc/run_api.h"
#include "client/source/sources.h"
#include "client/transfer/upload_run.h"

namespace lwq::client {

struct CliContext {
  Console* console;
  Interrupt* interrupt;
  std::string binary_directory;                                // where lwq itself is
  std::function<std::string(const std::string&)> environment;  // "" for a variable that is not set
};

// What is needed to fetch models and texts that are elsewhere.
SourceContext SourceContextOf(const CliContext& context);

using VerbAction = std::function<StatusOr<ExitCode>()>;

// Declares a verb with its --json and its example. `add_flags` style: the caller adds the rest.
struct VerbText {
  const char* name;
  const char* summary;
  const char* example;
};
CLI::App* AddVerb(CLI::App* root, const VerbText& text, bool* json);

// Where the coordinator is.
struct ServerFlags {
  std::string coordinator;  // else LWQ_COORDINATOR
  std::string state;        // a state directory of lwq local instead
  std::string objects;      // the object store as seen from here, else the coordinator's
  double timeout_s = 10;
  std::string bin_dir;
  // Else the variables LWQ_TLS_CA, LWQ_TLS_CERT, LWQ_TLS_KEY, LWQ_TOKEN_FILE.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string token_file;
};
void AddServerFlags(CLI::App* verb, ServerFlags* flags);

// How a cluster on this machine is made.
struct ClusterFlags {
  int workers = 2;
  std::string device = "cpu";
  int max_threads = 0;  // 0: cores shared among the workers, and no fewer than any run's `threads`
  int64_t memory_limit_bytes = 0;
  int64_t cache_bytes = 0;
  std::optional<int64_t> activation_bytes;  // absent: the coordinator's default
  std::string dashboard;                    // HOST:PORT; "": none
  std::string log_level = "info";
};
void AddClusterFlags(CLI::App* verb, ClusterFlags* flags);

// An open way to a coordinator: over the network, or one started for this call on a state directory (without workers).
class ServerConnection {
 public:
  // What may be made where a coordinator is to be and none was before.
  enum class Makes {
    kNothing,         // the verb asks for what is there: a --state that is no state directory is a typo
    kStateDirectory,  // named by --state
    kTemporaryToo,    // with neither --coordinator nor --state nor the environment variable
  };
  // INVALID_ARGUMENT when no coordinator is named and none may be made.
  static StatusOr<std::unique_ptr<ServerConnection>> Open(const CliContext& context, const ServerFlags& flags,
                                                          Makes makes = Makes::kNothing);

  RunApi* api() { return api_.get(); }
  // The coordinator's objects as seen from here; its operations stop when the program is to stop.
  StatusOr<std::unique_ptr<ObjectStore>> OpenObjects();

 private:
  ServerConnection(const CliContext& context, const ServerFlags& flags) : context_(context), flags_(flags) {}
  // The address of the coordinator of the state directory, of one started on it where nobody holds it, or of one in a
  // temporary folder. FAILED_PRECONDITION while another lwq holds the directory and has none that listens.
  StatusOr<std::string> Locate();
  // The same, tried until the timeout is over.
  StatusOr<std::string> AwaitLocation();

  const CliContext& context_;
  const ServerFlags flags_;
  std::unique_ptr<StateDirectory> state_;  // outlives cluster_
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<RunApi> api_;
};

// flags.coordinator, or the environment's. "" when neither is given.
std::string CoordinatorAddress(const CliContext& context, const ServerFlags& flags);

// What is shown to the coordinator of flags and environment, TRACEPARENT with it. Errors: CallerSecurity's.
StatusOr<std::shared_ptr<const CallerSecurity>> SecurityOf(const CliContext& context, const ServerFlags& flags);

// The programs of the cluster: --bin-dir, else the folder of lwq.
std::string BinaryDirectory(const CliContext& context, const ServerFlags& flags);

void AddSubmitVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddSweepVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddTuneVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddCompareVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddLocalVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddPlanVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddInspectVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddConvertVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddEvalVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddListVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddGetVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddWatchVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddTopVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddLogsVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddPauseVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddResumeVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddSweepsVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddExplainVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddWhyVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddCancelVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddDeleteVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddGcVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddFsckVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddFetchVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddSensitivityVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddScheduleVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddWorkersVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddReportVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddTokenVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddTokensVerb(CLI::App* root, const CliContext& context, VerbAction* action);
void AddCompletionVerb(CLI::App* root, const CliContext& context, VerbAction* action);

}  // namespace lwq::client
