// SPDX-License-Identifier: Apache-2.0
#include "client/verbs/verb.h"

#include <chrono>
#include <limits>

#include "client/transfer/interruptible_store.h"

namespace lwq::client {
namespace {

constexpr std::chrono::milliseconds kLookAgain{50};

std::chrono::milliseconds TimeoutOf(const ServerFlags& flags) {
  return std::chrono::milliseconds(static_cast<int64_t>(flags.timeout_s * 1000));
}

}  // namespace

CLI::App* AddVerb(CLI::App* root, const VerbText& text, bool* json) {
  CLI::App* verb = root->add_subcommand(text.name, text.summary);
  verb->footer(absl::StrCat("Example:\n  ", text.example));
  verb->allow_extras();  // refused after parsing, with a better message (cli.cc)
  verb->add_flag("--json", *json, "print JSON on standard output (docs/cli.md has its shapes)");
  return verb;
}

void AddServerFlags(CLI::App* verb, ServerFlags* flags) {
  const auto add = [&](const char* name, std::string& variable, const char* value, const char* help) {
    verb->add_option(name, variable, help)->type_name(value)->group("Server");
  };
  add("--coordinator", flags->coordinator, "HOST:PORT",
      "the coordinator, or several of one store with commas between (default: the variable LWQ_COORDINATOR)");
  add("--state", flags->state, "DIR", "or a state directory of lwq local, whether one runs on it or not");
  add("--objects", flags->objects, "URI",
      "the coordinator's object store as seen from here (default: as the coordinator says)");
  verb->add_option("--timeout", flags->timeout_s, "how long to try to reach the coordinator (default 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6))
      ->group("Server");
  add("--tls-ca", flags->tls_ca, "FILE", "speak TLS and trust this CA (default: the variable LWQ_TLS_CA)");
  add("--tls-cert", flags->tls_cert, "FILE", "certificate to show (default: the variable LWQ_TLS_CERT)");
  add("--tls-key", flags->tls_key, "FILE", "its private key (default: the variable LWQ_TLS_KEY)");
  add("--token-file", flags->token_file, "FILE", "bearer token to show (default: the variable LWQ_TOKEN_FILE)");
  add("--bin-dir", flags->bin_dir, "DIR", "folder of lwq-coordinator and lwq-worker (default: that of lwq)");
}

void AddClusterFlags(CLI::App* verb, ClusterFlags* flags) {
  const auto group = [&](CLI::Option* option, const char* value) { option->type_name(value)->group("Cluster"); };
  group(verb->add_option("--workers", flags->workers, "worker processes (default 2)")->check(CLI::Range(1, 256)), "N");
  group(verb->add_option("--device", flags->device, "device of the workers (default cpu)"), "cpu|cuda:N");
  group(verb->add_option("--max-threads", flags->max_threads,
                         "compute threads of a worker (default: the cores, shared out)")
            ->check(CLI::Range(1, 4096)),
        "N");
  const auto bytes = [&](CLI::Option* option, int64_t least) {
    option->transform(CLI::AsSizeValue(true).description(""))
        ->check(CLI::Range(least, std::numeric_limits<int64_t>::max()).description(""));
    group(option, "SIZE");
  };
  bytes(verb->add_option("--memory-limit-bytes", flags->memory_limit_bytes,
                         "memory of a worker's tensors, as 8GiB (default: the worker's)"),
        1);
  bytes(verb->add_option("--cache-bytes", flags->cache_bytes, "disk of a worker's cache (default: the worker's)"), 1);
  bytes(
      verb->add_option("--activation-bytes", flags->activation_bytes,
                       "what activations may occupy before unneeded ones are deleted and chains wait for the trainings "
                       "they feed (default: the coordinator's)"),
      0);
  group(
      verb->add_option("--dashboard", flags->dashboard,
                       "serve the coordinator's dashboard on this loopback address, as 127.0.0.1:8080 (default: none)"),
      "HOST:PORT");
  group(verb->add_option("--log-level", flags->log_level, "of the processes' logs (default info)")
            ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"})),
        "LEVEL");
}

std::string CoordinatorAddress(const CliContext& context, const ServerFlags& flags) {
  return flags.coordinator.empty() ? context.environment("LWQ_COORDINATOR") : flags.coordinator;
}

SourceContext SourceContextOf(const CliContext& context) {
  SourceContext source;
  source.console = context.console;
  source.interrupt = context.interrupt;
  source.environment = context.environment;
  return source;
}

StatusOr<std::shared_ptr<const CallerSecurity>> SecurityOf(const CliContext& context, const ServerFlags& flags) {
  const auto either = [&](const std::string& flag, const char* variable) {
    return flag.empty() ? context.environment(variable) : flag;
  };
  CallerFiles files;
  files.certificates.ca = either(flags.tls_ca, "LWQ_TLS_CA");
  files.certificates.cert = either(flags.tls_cert, "LWQ_TLS_CERT");
  files.certificates.key = either(flags.tls_key, "LWQ_TLS_KEY");
  files.token = either(flags.token_file, "LWQ_TOKEN_FILE");
  files.traceparent = context.environment("TRACEPARENT");
  return CallerSecurity::Open(files);
}

std::string BinaryDirectory(const CliContext& context, const ServerFlags& flags) {
  return flags.bin_dir.empty() ? context.binary_directory : flags.bin_dir;
}

StatusOr<std::unique_ptr<ServerConnection>> ServerConnection::Open(const CliContext& context, const ServerFlags& flags,
                                                                   Makes makes) {
  if (!flags.state.empty() && !flags.coordinator.empty()) {
    return absl::InvalidArgumentError("--coordinator and --state exclude each other; give one of them");
  }
  if (!flags.state.empty() && makes == Makes::kNothing && !StateDirectory::Exists(flags.state)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--state ", flags.state, " is no state directory of lwq local; give the one that the run is in"));
  }
  std::unique_ptr<ServerConnection> connection(new ServerConnection(context, flags));
  RunApi::Options options;
  options.patience = TimeoutOf(flags);
  if (flags.state.empty()) options.address = CoordinatorAddress(context, flags);
  const bool named = !options.address.empty();
  if (options.address.empty()) {
    if (flags.state.empty() && makes != Makes::kTemporaryToo) {
      return absl::InvalidArgumentError(
          "no coordinator is named; give --coordinator HOST:PORT, set LWQ_COORDINATOR, or use lwq local");
    }
    LWQ_ASSIGN_OR_RETURN(options.address, connection->AwaitLocation());
    options.locate = [connection = connection.get()] { return connection->Locate(); };
  }
  LWQ_ASSIGN_OR_RETURN(const CoordinatorAddresses addresses, ValidateAddress(options.address));
  // One that lwq starts by itself is on loopback, and asks for nothing.
  if (named) {
    LWQ_ASSIGN_OR_RETURN(options.security, SecurityOf(context, flags));
    for (const std::string& address : addresses.all()) {
      LWQ_RETURN_IF_ERROR(options.security->CheckAddress(address));
    }
  }
  connection->api_ = std::make_unique<RunApi>(options, context.interrupt);
  return connection;
}

StatusOr<std::string> ServerConnection::Locate() {
  if (cluster_ != nullptr) return cluster_->address();
  if (!flags_.state.empty()) {
    const auto holder = StateDirectory::AddressOfHolder(flags_.state);
    if (holder.ok() && !holder->empty()) return *holder;
  }
  auto state = flags_.state.empty() ? StateDirectory::OpenTemporary() : StateDirectory::Open(flags_.state);
  LWQ_RETURN_IF_ERROR(state);
  LocalCluster::Options cluster;
  cluster.binary_directory = BinaryDirectory(context_, flags_);
  cluster.quiet = true;
  LWQ_ASSIGN_OR_RETURN(auto started, LocalCluster::Start(cluster, **state, context_.console, context_.interrupt));
  state_ = *std::move(state);
  cluster_ = std::move(started);
  return cluster_->address();
}

StatusOr<std::string> ServerConnection::AwaitLocation() {
  const auto give_up = std::chrono::steady_clock::now() + TimeoutOf(flags_);
  while (true) {
    auto address = Locate();
    if (!absl::IsFailedPrecondition(address.status()) || std::chrono::steady_clock::now() >= give_up) return address;
    if (context_.interrupt->WaitFor(kLookAgain)) return context_.interrupt->reason();
  }
}

StatusOr<std::unique_ptr<ObjectStore>> ServerConnection::OpenObjects() {
  std::string server_uri;
  if (flags_.objects.empty()) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::GetServerInfoResponse info, api_->GetServerInfo());
    server_uri = info.objects_uri();
  }
  LWQ_ASSIGN_OR_RETURN(auto store, OpenServerObjects(server_uri, flags_.objects, api_->address()));
  return std::unique_ptr<ObjectStore>(std::make_unique<InterruptibleStore>(std::move(store), api_->interrupt()));
}

}  // namespace lwq::client
