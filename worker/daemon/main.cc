// SPDX-License-Identifier: Apache-2.0
// lwq-worker: executes a coordinator's tasks on one device.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <thread>

#include "CLI/CLI.hpp"
#include "common/log/log.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/lock_order_checks.h"
#include "spdlog/spdlog.h"
#include "worker/daemon/daemon.h"
#include "worker/qat/device/library_settings.h"

namespace {

void BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

std::string DefaultName() {
  char host[256] = "worker";
  ::gethostname(host, sizeof(host) - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

}  // namespace

int main(int argc, char** argv) {
  lwq::qat::EnsureLibrarySettings(argv);
  lwq::worker::DaemonOptions options;
  std::string log_level = "info";
  std::string log_format = "text";
  double drain_seconds = 20;

  CLI::App app{
      "Executes a coordinator's tasks on one device.\n"
      "Example: lwq-worker --coordinator 127.0.0.1:7070 --device cpu --cache-dir /var/cache/lwq"};
  app.add_option("--coordinator", options.coordinator,
                 "HOST:PORT of the coordinator; several with commas between, where others stand by")
      ->required();
  app.add_option("--device", options.device, "cpu or cuda:N")->capture_default_str();
  app.add_option("--name", options.name,
                 "stable name of this worker; a restart under the same name takes over at once (default host:pid)");
  app.add_option("--cache-dir", options.cache_directory, "folder for cached artifacts and scratch, one worker each")
      ->required();
  app.add_option("--objects", options.objects_uri,
                 "object store as seen from here (default: what the coordinator says)");
  app.add_option("--max-threads", options.max_threads, "most threads a task may use")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--memory-limit-bytes", options.memory_limit_bytes,
                 "cap of tensor memory, as 8GiB; 0: what the device has")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()).description(""))
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--cache-bytes", options.cache_bytes, "size of the local artifact cache")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()).description(""))
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--drain-seconds", drain_seconds,
                 "after SIGTERM, how long a task may go on before it is given back; a training is saved "
                 "and given back at its next step")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--checkpoint-interval", options.checkpoint_interval_seconds,
                 "at least so many seconds between two checkpoints of a block's training, and at least 50 times what "
                 "one takes: another worker goes on from the last; 0: none, and a drain does not save either")
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_option("--preemption-file", options.preemption_file,
                 "drain as after SIGTERM when this file appears: what tells of a spot node's end creates it")
      ->type_name("FILE");
  app.add_option("--tls-ca", options.security.certificates.ca,
                 "speak TLS to the coordinator and trust this CA; read again when it changes")
      ->type_name("FILE");
  app.add_option("--tls-cert", options.security.certificates.cert, "certificate to show to the coordinator")
      ->type_name("FILE");
  app.add_option("--tls-key", options.security.certificates.key, "its private key")->type_name("FILE");
  app.add_option("--token-file", options.security.token,
                 "bearer token of role worker to show to the coordinator; read again when it changes")
      ->type_name("FILE");
  app.add_option(
         "--allow-host", options.allowed.allowed_hosts,
         "HOST or *.DOMAIN, may be repeated: where the object store may be that the coordinator names (default: any; "
         "never a link-local address or a metadata service)")
      ->type_name("HOST");
  app.add_option(
         "--allow-root", options.allowed.allowed_roots,
         "folder, may be repeated: below which a file:// object store may be that the coordinator names (default: any)")
      ->type_name("DIR");
  app.add_option("--metrics-listen", options.metrics_listen,
                 "HOST:PORT of Prometheus metrics over HTTP, at /metrics; port 0 is chosen freely");
  app.add_option(
         "--otlp-endpoint", options.otlp_endpoint,
         "http://HOST:PORT of an OpenTelemetry collector: send spans of tasks there by OTLP over HTTP (default: "
         "none are sent)")
      ->type_name("URL")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT");
  app.add_option("--log-format", log_format, "text, or json: an object in each line")->capture_default_str();
  app.add_option("--log-level", log_level, "trace, debug, info, warn, error or off")->capture_default_str();
  app.set_version_flag("--version", "lwq-worker " LWQ_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "lwq-worker: %s; see lwq-worker --help\n", e.what());
    return 2;
  }
  if (options.name.empty()) options.name = DefaultName();
  options.drain_ms = static_cast<int64_t>(drain_seconds * 1000);
  if (const lwq::Status status = lwq::InitLog("lwq-worker[" + options.name + "]", log_level, log_format);
      !status.ok()) {
    std::fprintf(stderr, "lwq-worker: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  lwq::SendGrpcLogToSpdlog();
  lwq::SkipLockOrderChecks();
  BlockSignals();
  const lwq::Status status = lwq::worker::RunDaemon(options);
  spdlog::shutdown();
  if (!status.ok()) {
    std::fprintf(stderr, "lwq-worker: %s\n", std::string(status.message()).c_str());
    return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ? 2 : 1;
  }
  return 0;
}
