// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc_log.h"

#include <string_view>

#include "grpc/support/log.h"
#include "spdlog/spdlog.h"

namespace lwq {
namespace {

void ToSpdlog(gpr_log_func_args* args) {
  const std::string_view message(args->message);
  const bool handshake = message.find("Handshake failed") != std::string_view::npos;
  if (args->severity == GPR_LOG_SEVERITY_ERROR && !handshake) return spdlog::warn("gRPC: {}", message);
  if (args->severity == GPR_LOG_SEVERITY_ERROR) return spdlog::info("gRPC: {}", message);
  spdlog::debug("gRPC: {}", message);
}

void ToNowhere(gpr_log_func_args* /*args*/) {}

}  // namespace

void SendGrpcLogToSpdlog() {
  gpr_set_log_function(ToSpdlog);
}

void SilenceLogs() {
  spdlog::set_level(spdlog::level::off);
  gpr_set_log_function(ToNowhere);
}

}  // namespace lwq
