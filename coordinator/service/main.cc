// SPDX-License-Identifier: Apache-2.0
// lwq-coordinator: accepts runs, hands out tasks, remembers everything in its store. See --help and docs/.
//
// Exit codes: 0 after SIGTERM or SIGINT; 2 for wrong flags; 1 when the store or the address cannot be used, or when a
// commit failed or another coordinator took over (the store then holds the last good state: start again).
#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/log/log.h"
#include "common/metrics/metrics_server.h"
#include "common/object_store/open_store.h"
#include "common/rpc/address.h"
#include "common/rpc/certificate_watch.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/lock_order_checks.h"
#include "common/trace/otlp_exporter.h"
#include "coordinator/election/election.h"
#include "coordinator/metrics/coordinator_metrics.h"
#include "coordinator/service/call_metrics.h"
#include "coordinator/service/copy_records.h"
#include "coordinator/service/process_log.h"
#include "coordinator/service/project_flag.h"
#include "coordinator/service/retain_flag.h"
#include "coordinator/service/scaler_server.h"
#include "coordinator/service/server.h"
#include "coordinator/service/stand_by.h"
#include "coordinator/service/token_book.h"
#include "coordinator/service/tracing.h"
#include "coordinator/store/observed_store.h"
#include "coordinator/store/postgres_connection.h"
#include "coordinator/web/web_server.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int64_t kShutdownGraceMs = 3000;
constexpr int kRenewalsPerLease = 4;

struct Flags {
  std::string listen = "127.0.0.1:0";
  std::string store;
  std::string copy_from;
  std::string objects;
  double lease_seconds = 8;
  double heartbeat_seconds = 2;
  double execution_factor = SchedulerOptions().execution_factor;
  double straggler_factor = SchedulerOptions().straggler_factor;
  double quarantine_seconds = static_cast<double>(SchedulerOptions().quarantine_ms) / 1000;
  int64_t activation_bytes = SchedulerOptions().activation_bytes;
  std::vector<std::string> projects;
  std::vector<std::string> project_inputs;
  std::vector<std::string> retains;
  std::string scaler_listen;
  std::string address_file;
  std::string log_level = "info";
  CertificateFiles tls;
  std::string tokens;
  bool insecure = false;
  std::string health_listen;
  std::string metrics_listen;
  std::string web_listen;
  std::string audit_log;
  std::string otlp_endpoint;
  std::string log_format = "text";
  bool standby = false;
  std::string advertise;
  double lead_seconds = 3;
};

// Whoever reaches an address may do everything there, unless it is asked for a certificate or a token.
Status CheckReach(const Flags& flags, std::string_view flag, const std::string& address) {
  const StatusOr<HostPort> listen = ParseHostPort(address, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(listen.status(), absl::StrCat(flag, " (port 0 is chosen freely)")));
  if (IsLoopback(listen->host) || flags.insecure) return absl::OkStatus();
  if (flags.tokens.empty() && flags.tls.ca.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " ", address,
        " lets anybody who reaches it do everything: give --tokens, or --tls-client-ca, or --insecure if others keep "
        "them away"));
  }
  if (flags.tls.cert.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " ", address,
        " would take tokens in the clear: give --tls-cert and --tls-key, or --insecure if others encrypt"));
  }
  return absl::OkStatus();
}

Status CheckSecurity(const Flags& flags) {
  if (flags.tls.cert.empty() != flags.tls.key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together: give both");
  }
  if (!flags.tls.ca.empty() && flags.tls.cert.empty()) {
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-cert and --tls-key");
  }
  LWQ_RETURN_IF_ERROR(CheckReach(flags, "--listen", flags.listen));
  return flags.web_listen.empty() ? absl::OkStatus() : CheckReach(flags, "--web-listen", flags.web_listen);
}

Status CheckElection(const Flags& flags) {
  if ((flags.standby || !flags.advertise.empty()) && !IsPostgresUri(flags.store)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.standby ? "--standby" : "--advertise",
                     " is for coordinators that share a store: give --store postgresql://…"));
  }
  if (!flags.advertise.empty()) {
    LWQ_RETURN_IF_ERROR(Annotate(ParseHostPort(flags.advertise).status(), "--advertise"));
  }
  if (!(flags.lead_seconds >= 0.5 && flags.lead_seconds <= 60)) {
    return absl::InvalidArgumentError("--lead-seconds must be between 0.5 and 60");
  }
  return absl::OkStatus();
}

Status CheckFlags(const Flags& flags) {
  if (!flags.copy_from.empty()) return absl::OkStatus();  // what it would serve by is not looked at
  if (flags.objects.empty()) return absl::InvalidArgumentError("--objects is required (see --help)");
  LWQ_RETURN_IF_ERROR(Annotate(CheckSharedStoreUri(flags.objects), "--objects"));
  if (!(flags.heartbeat_seconds >= 0.01 && flags.heartbeat_seconds <= 600)) {
    return absl::InvalidArgumentError("--heartbeat-seconds must be between 0.01 and 600");
  }
  if (!(flags.lease_seconds >= 2 * flags.heartbeat_seconds && flags.lease_seconds <= 3600)) {
    return absl::InvalidArgumentError("--lease-seconds must be at least twice --heartbeat-seconds and at most 3600");
  }
  if (!(flags.execution_factor == 0 || (flags.execution_factor >= 2 && flags.execution_factor <= 1e6))) {
    return absl::InvalidArgumentError("--execution-factor must be 0 (never) or between 2 and 1e6");
  }
  if (!(flags.straggler_factor == 0 || (flags.straggler_factor >= 1.5 && flags.straggler_factor <= 1e6))) {
    return absl::InvalidArgumentError("--straggler-factor must be 0 (never) or between 1.5 and 1e6");
  }
  if (!(flags.quarantine_seconds == 0 || (flags.quarantine_seconds >= 1 && flags.quarantine_seconds <= 3600))) {
    return absl::InvalidArgumentError("--quarantine-seconds must be 0 (never) or between 1 and 3600");
  }
  LWQ_RETURN_IF_ERROR(CheckSecurity(flags));
  LWQ_RETURN_IF_ERROR(CheckElection(flags));
  if (!flags.otlp_endpoint.empty()) LWQ_RETURN_IF_ERROR(CheckOtlpEndpoint(flags.otlp_endpoint));
  if (flags.activation_bytes < 0) return absl::InvalidArgumentError("--activation-bytes must not be negative");
  return absl::OkStatus();
}

StatusOr<std::map<std::string, ProjectOptions>> ProjectsOf(const Flags& flags) {
  std::map<std::string, ProjectOptions> projects;
  for (const std::string& text : flags.projects) {
    LWQ_ASSIGN_OR_RETURN(auto project, ParseProjectFlag(text));
    const auto [named, added] = projects.insert(std::move(project));
    if (!added) return absl::InvalidArgumentError(absl::StrCat("--project names '", named->first, "' twice"));
  }
  for (const std::string& text : flags.project_inputs) {
    LWQ_ASSIGN_OR_RETURN(const auto inputs, ParseProjectInputsFlag(text));
    int64_t& most = projects[inputs.first].max_input_bytes;
    if (most != 0) return absl::InvalidArgumentError(absl::StrCat("--project-inputs names '", inputs.first, "' twice"));
    most = inputs.second;
  }
  return projects;
}

StatusOr<std::map<KeptKind, int64_t>> RetentionOf(const Flags& flags) {
  std::map<KeptKind, int64_t> retain_ms;
  std::set<KeptKind> named;
  for (const std::string& text : flags.retains) {
    LWQ_ASSIGN_OR_RETURN(const Retention retention, ParseRetainFlag(text));
    if (!named.insert(retention.kind).second) {
      return absl::InvalidArgumentError(absl::StrCat("--retain names '", KeptKindName(retention.kind), "' twice"));
    }
    if (retention.retain_ms.has_value()) retain_ms.emplace(retention.kind, *retention.retain_ms);
  }
  return retain_ms;
}

// Whole or not at all: a reader never sees half an address.
Status WriteAddressFile(const std::string& path, const std::string& address) {
  const std::string staging = absl::StrCat(path, ".", ::getpid());
  std::ofstream out(staging, std::ios::trunc);
  out << address << "\n";
  out.close();
  if (!out || std::rename(staging.c_str(), path.c_str()) != 0) {
    std::remove(staging.c_str());
    return absl::FailedPreconditionError(
        absl::StrCat("cannot write --address-file ", path, ": does its folder exist, and is it writable?"));
  }
  return absl::OkStatus();
}

int Fail(const Status& status) {
  std::fprintf(stderr, "lwq-coordinator: %s\n", std::string(MessageOf(status)).c_str());
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

std::chrono::milliseconds LeaseOf(const Flags& flags) {
  return std::chrono::milliseconds(static_cast<int64_t>(flags.lead_seconds * 1000));
}

// Until the time is over; false: one of the signals has come.
bool WaitUnlessSignalled(const sigset_t& signals, std::chrono::milliseconds time) {
  const timespec wait{.tv_sec = time.count() / 1000, .tv_nsec = time.count() % 1000 * 1'000'000};
  while (true) {
    if (sigtimedwait(&signals, nullptr, &wait) >= 0) return false;
    if (errno != EINTR) return true;
  }
}

void SayWhere(const char* what, const std::string& address, const std::string& health_address) {
  std::printf("lwq-coordinator %s %s\n", what, address.c_str());
  if (!health_address.empty()) std::printf("health on %s\n", health_address.c_str());
  std::fflush(stdout);
}

StandByOptions StandByOptionsOf(const Flags& flags, const sigset_t& end_signals) {
  return {.store_uri = flags.store,
          .listen = flags.listen,
          .advertise = flags.advertise,
          .health_listen = flags.health_listen,
          .metrics_listen = flags.metrics_listen,
          .by_force = !flags.standby,
          .lease = LeaseOf(flags),
          .on_answering = [&flags](const std::string& address, const std::string& health_address) -> Status {
            if (!flags.standby) return absl::OkStatus();
            if (!flags.address_file.empty()) LWQ_RETURN_IF_ERROR(WriteAddressFile(flags.address_file, address));
            SayWhere("standing by on", address, health_address);
            return absl::OkStatus();
          },
          .wait = [&end_signals](std::chrono::milliseconds time) { return WaitUnlessSignalled(end_signals, time); }};
}

Status Serve(Flags flags, const sigset_t& end_signals) {
  // The coordinator opens no object, but clients refuse a store that is not there: a wrong path must not swallow
  // uploads.
  LWQ_ASSIGN_OR_RETURN(auto projects, ProjectsOf(flags));
  LWQ_ASSIGN_OR_RETURN(auto retain_ms, RetentionOf(flags));
  LWQ_RETURN_IF_ERROR(MakeSharedStore(flags.objects));
  CoordinatorMetrics metrics(LWQ_VERSION);
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, OpenStore(flags.store));
  std::unique_ptr<CertificateWatch> certificates;
  if (!flags.tls.cert.empty()) {
    LWQ_ASSIGN_OR_RETURN(certificates, CertificateWatch::Start(flags.tls));
  }
  std::unique_ptr<LeaseKeeper> lead;  // null: the store is for one process
  if (IsPostgresUri(flags.store)) {
    StandByOptions options = StandByOptionsOf(flags, end_signals);
    options.certificates = certificates.get();
    options.metrics = &metrics;
    store.reset();  // whose session would be old when it is needed
    LWQ_ASSIGN_OR_RETURN(std::optional<Won> won, StandBy(options));
    if (!won.has_value()) return absl::OkStatus();
    flags.listen = won->listen;
    flags.health_listen = won->health_listen;
    lead = std::make_unique<LeaseKeeper>(std::move(won->lease), LeaseOf(flags) / kRenewalsPerLease,
                                         [] { ::kill(::getpid(), SIGTERM); });
    LWQ_ASSIGN_OR_RETURN(store, OpenStore(flags.store));
  }
  metrics.SetLeads(true);
  store = ObserveCommits(std::move(store), [&metrics](double seconds, size_t changes, bool ok) {
    metrics.Committed(seconds, changes, ok);
  });
  std::unique_ptr<TokenBook> tokens;
  if (!flags.tokens.empty()) {
    LWQ_ASSIGN_OR_RETURN(tokens, TokenBook::Open(flags.tokens));
  }
  std::unique_ptr<OtlpExporter> spans;
  if (!flags.otlp_endpoint.empty()) {
    OtlpOptions otlp;
    otlp.endpoint = flags.otlp_endpoint;
    otlp.resource = {{"service.name", "lwq-coordinator"}, {"service.version", LWQ_VERSION}};
    LWQ_ASSIGN_OR_RETURN(spans, OtlpExporter::Start(std::move(otlp)));
  }
  SystemClock clock;
  RuntimeOptions runtime_options;
  runtime_options.scheduler.lease_ms = static_cast<int64_t>(flags.lease_seconds * 1000);
  runtime_options.scheduler.execution_factor = flags.execution_factor;
  runtime_options.scheduler.straggler_factor = flags.straggler_factor;
  runtime_options.scheduler.quarantine_ms = static_cast<int64_t>(flags.quarantine_seconds * 1000);
  runtime_options.scheduler.activation_bytes = flags.activation_bytes;
  runtime_options.scheduler.projects = std::move(projects);
  runtime_options.scheduler.retain_ms = std::move(retain_ms);
  runtime_options.on_end = [] { ::kill(::getpid(), SIGTERM); };
  runtime_options.on_committed = [&spans](std::span<const Change> changes, const State& state) {
    LogCommitted(changes, state);
    if (spans != nullptr) SendEndedRuns(changes, *spans);
  };
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<Runtime> runtime,
                       Runtime::Start(std::move(runtime_options), std::move(store), &clock));
  ServerOptions server_options;
  server_options.listen = flags.listen;
  server_options.objects_uri = flags.objects;
  server_options.heartbeat_ms = static_cast<int64_t>(flags.heartbeat_seconds * 1000);
  server_options.version = LWQ_VERSION;
  server_options.certificates = certificates.get();
  server_options.tokens = tokens.get();
  server_options.health_listen = flags.health_listen;
  server_options.audit_log = flags.audit_log;
  server_options.spans = spans.get();
  if (!flags.metrics_listen.empty()) server_options.metrics = &metrics;
  // What there is to be called is told to those alone who may call everything.
  server_options.reflection = certificates == nullptr && tokens == nullptr;
  LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(server_options, runtime.get()));
  metrics.SetStoreOpen(true);
  std::unique_ptr<MetricsServer> metrics_server;
  if (!flags.metrics_listen.empty()) {
    std::vector<std::shared_ptr<prometheus::Collectable>> shown = {metrics.registry(), CollectState(runtime.get())};
    if (spans != nullptr) shown.push_back(spans->Metrics());
    LWQ_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(flags.metrics_listen, std::move(shown)));
  }
  std::unique_ptr<ScalerServer> scaler;
  if (!flags.scaler_listen.empty()) {
    LWQ_ASSIGN_OR_RETURN(scaler, ScalerServer::Start(flags.scaler_listen, runtime.get(), certificates.get()));
    spdlog::info("answering KEDA address={}", scaler->address());
  }
  std::unique_ptr<WebServer> web;
  if (!flags.web_listen.empty()) {
    const WebServerOptions web_options{
        .listen = flags.web_listen, .certificates = certificates.get(), .anybody = tokens == nullptr};
    LWQ_ASSIGN_OR_RETURN(web, WebServer::Start(web_options, server->InProcessChannel()));
  }
  if (!flags.address_file.empty()) LWQ_RETURN_IF_ERROR(WriteAddressFile(flags.address_file, server->address()));
  SayWhere("listening on", server->address(), server->health_address());
  if (web != nullptr) std::printf("dashboard on %s\n", web->url().c_str());
  if (metrics_server != nullptr) std::printf("metrics on http://%s/metrics\n", metrics_server->address().c_str());
  std::fflush(stdout);
  spdlog::info("serving address={} store={} objects={} lease_s={} heartbeat_s={}", server->address(), flags.store,
               flags.objects, flags.lease_seconds, flags.heartbeat_seconds);
  int received = 0;
  sigwait(&end_signals, &received);
  spdlog::info("stopping on {}", received == SIGINT ? "SIGINT" : "SIGTERM");
  server->Drain();
  runtime->Stop();
  const Status lost = lead == nullptr ? absl::OkStatus() : lead->status();
  lead.reset();  // nothing is committed any more: the next may
  web.reset();
  if (scaler != nullptr) scaler->Shutdown(0);
  server->Shutdown(kShutdownGraceMs);
  return runtime->end_status().ok() ? lost : runtime->end_status();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("lwq-coordinator: accepts quantization runs, hands their tasks to workers, remembers everything.");
  app.set_version_flag("--version", LWQ_VERSION);
  app.add_option("--listen", flags.listen, "HOST:PORT to serve on; port 0 is chosen freely")->capture_default_str();
  app.add_option(
         "--store", flags.store,
         "where state is kept: sqlite:PATH, or postgresql://USER@HOST/DATABASE with its password in PGPASSFILE or "
         "PGPASSWORD (docs/storage.md)")
      ->required();
  app.add_option("--objects", flags.objects,
                 "the object store that clients and workers use: file:///ABSOLUTE/DIR (created if absent) or "
                 "s3://BUCKET/PREFIX?endpoint=… (docs/object_store.md)");
  app.add_option("--copy-from", flags.copy_from,
                 "copy all records of this store, which nobody may use meanwhile, into --store, which must have none, "
                 "and end")
      ->type_name("STORE");
  app.add_flag(
      "--standby", flags.standby,
      "lead only while no other coordinator of this PostgreSQL database does, and answer with its address until "
      "then (default: take the lead from whoever has it)");
  app.add_option("--advertise", flags.advertise,
                 "HOST:PORT that callers of a coordinator which stands by are told while this one leads (default: "
                 "where it listens)");
  app.add_option("--lead-seconds", flags.lead_seconds,
                 "how long after a leader has gone without a word one that stands by takes over")
      ->capture_default_str();
  app.add_option("--lease-seconds", flags.lease_seconds, "a worker silent for longer loses its task")
      ->capture_default_str();
  app.add_option("--heartbeat-seconds", flags.heartbeat_seconds, "how often workers are told to report")
      ->capture_default_str();
  app.add_option("--execution-factor", flags.execution_factor,
                 "a task that has run this many times as long as such tasks took, and ten minutes, is given to another "
                 "worker though its own still reports; 0: never")
      ->capture_default_str();
  app.add_option(
         "--straggler-factor", flags.straggler_factor,
         "a task that a run waits for and that has run this many times as long as such tasks took, and a minute, "
         "is executed by an idle worker of its class as well; 0: never")
      ->capture_default_str();
  app.add_option("--quarantine-seconds", flags.quarantine_seconds,
                 "how long a worker on which tasks fail that others execute is given none, the first time; each time "
                 "twice as long, up to an hour; 0: never")
      ->capture_default_str();
  app.add_option("--activation-bytes", flags.activation_bytes,
                 "what activations may occupy, as 64GiB: beyond it those that no task needs any more are deleted, and "
                 "chains wait for the trainings they feed; 0: at once")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option(
         "--project", flags.projects,
         "NAME=WEIGHT[:MAX_RUNNING[:MAX_STORED]], may be repeated: that project's share of the device time beside "
         "others (default 1), how many tasks are executed for it at once (default any number), and what "
         "activations made for it and still to be read may occupy, as 200GiB, before its chains wait (default any "
         "number of bytes); NAME=WEIGHT::MAX_STORED says only the last")
      ->type_name("TEXT");
  app.add_option("--project-inputs", flags.project_inputs,
                 "NAME=SIZE, may be repeated: what the models, tokenizers and texts that the project's runs name may "
                 "occupy, as 200GiB; a submission that would exceed it is refused (default: any number of bytes)")
      ->type_name("TEXT");
  app.add_option("--retain", flags.retains,
                 "KIND=TIME, may be repeated: how long results of a kind (checkpoint, export, tokens, losses) are kept "
                 "after the last run that has them has ended, as checkpoint=30d (s, m, h, d) or forever, the default; "
                 "what is read later is made again, and lwq gc removes the bytes")
      ->type_name("TEXT");
  app.add_option("--scaler-listen", flags.scaler_listen,
                 "HOST:PORT on which KEDA's external scaler is answered: how much work waits for a pool of workers; "
                 "not served by default");
  app.add_option("--address-file", flags.address_file, "written with HOST:PORT once serving");
  app.add_option(
         "--tls-cert", flags.tls.cert,
         "serve TLS with this certificate (PEM, those between it and the CA after it); read again when it changes")
      ->type_name("FILE");
  app.add_option("--tls-key", flags.tls.key, "its private key")->type_name("FILE");
  app.add_option("--tls-client-ca", flags.tls.ca, "serve only callers with a certificate of this CA (mutual TLS)")
      ->type_name("FILE");
  app.add_option("--tokens", flags.tokens,
                 "ask every caller for a bearer token of this file, which lwq token makes (default: nobody is asked)")
      ->type_name("FILE");
  app.add_flag("--insecure", flags.insecure,
               "listen on other than loopback addresses though anybody may call, or tokens come in the clear");
  app.add_option("--health-listen", flags.health_listen,
                 "HOST:PORT of plaintext gRPC health alone, for probes; port 0 is chosen freely");
  app.add_option("--web-listen", flags.web_listen,
                 "HOST:PORT on which the dashboard is served, and the API in JSON over HTTP (docs/api.md); HTTPS with "
                 "--tls-cert; not served by default");
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "HOST:PORT of Prometheus metrics over HTTP, at /metrics; port 0 is chosen freely");
  app.add_option("--audit-log", flags.audit_log,
                 "append a line of JSON for every call that changes something or was refused")
      ->type_name("FILE");
  app.add_option(
         "--otlp-endpoint", flags.otlp_endpoint,
         "http://HOST:PORT of an OpenTelemetry collector: send spans of calls, runs and queues there by OTLP over "
         "HTTP (default: none are sent)")
      ->type_name("URL")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT");
  app.add_option("--log-format", flags.log_format, "text, or json: an object in each line")->capture_default_str();
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn, error or off")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return Fail(absl::InvalidArgumentError(absl::StrCat(error.what(), " (see --help)")));
  }
  Status status = CheckFlags(flags);
  if (status.ok()) status = InitLog("coordinator", flags.log_level, flags.log_format);
  if (!status.ok()) return Fail(status);

  SendGrpcLogToSpdlog();
  SkipLockOrderChecks();
  // Blocked before any thread starts, so that only sigwait sees them.
  sigset_t end_signals;
  sigemptyset(&end_signals);
  sigaddset(&end_signals, SIGTERM);
  sigaddset(&end_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &end_signals, nullptr);
  status = flags.copy_from.empty() ? Serve(flags, end_signals) : CopyRecords(flags.copy_from, flags.store);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace lwq::coordinator

int main(int argc, char** argv) {
  return lwq::coordinator::Main(argc, argv);
}
