// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "coordinator/access/web_peer.h"
#include "coordinator/service/tracing.h"
#include "google/protobuf/descriptor.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Of many runs that are submitted together the first are named.
constexpr int kMaxNamed = 20;
constexpr int kMaxDepth = 3;

bool IsTelling(std::string_view field) {
  for (const char* name : {"run_id", "run_a", "run_b", "sweep_id", "worker", "worker_id", "project", "name", "id",
                           "artifact", "task_key", "force", "validate_only"}) {
    if (field == name) return true;
  }
  return false;
}

void Add(const std::string& key, const std::string& value, std::map<std::string, std::string>& which) {
  if (value.empty()) return;
  std::string& all = which[key];
  if (all.find(value) != std::string::npos) return;
  absl::StrAppend(&all, all.empty() ? "" : ",", value);
}

// Fields that say what a message is about, its own and those of the messages in it.
void Collect(const Message& message, int depth, std::map<std::string, std::string>& which) {
  const google::protobuf::Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->is_map()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      // Specs of what is submitted, and the runs and sweeps that came of it; not plans, tasks and times.
      const std::string& type = field->message_type()->name();
      const bool looked_at = type == "RunSpec" || type == "SweepSpec" || type == "SweepRun" ||
                             type == "SubmitRunRequest" || type == "Run" || type == "Sweep";
      if (!looked_at || depth >= kMaxDepth) continue;
      if (!field->is_repeated()) {
        if (reflection->HasField(message, field)) Collect(reflection->GetMessage(message, field), depth + 1, which);
        continue;
      }
      const int count = std::min(reflection->FieldSize(message, field), kMaxNamed);
      for (int n = 0; n < count; ++n) Collect(reflection->GetRepeatedMessage(message, field, n), depth + 1, which);
      continue;
    }
    if (field->is_repeated() || !IsTelling(field->name())) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      Add(field->name(), reflection->GetString(message, field), which);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL && reflection->GetBool(message, field)) {
      Add(field->name(), "true", which);
    }
  }
}

std::string CodeName(grpc::StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

std::string SubjectOf(const grpc::ServerContextBase& context) {
  const auto auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return "";
  const auto names = auth->FindPropertyValues("x509_subject");
  return names.empty() ? "" : std::string(names.front().data(), names.front().size());
}

// As gRPC writes it, or who has sent what came over HTTP.
std::string PeerOf(const grpc::ServerContextBase& context) {
  std::string peer = context.peer();
  if (peer != kInProcessPeer) return peer;
  const auto sender = context.client_metadata().find(kWebPeerKey);
  return sender == context.client_metadata().end()
             ? peer
             : absl::StrCat("http:", std::string(sender->second.data(), sender->second.size()));
}

AuditEntry EntryOf(const EndedCall& call, const Gate& gate) {
  AuditEntry entry;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  entry.unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const StatusOr<Caller> caller = gate.Identify(*call.context);
  if (caller.ok()) {
    entry.who = caller->name();
    if (!caller->anybody()) entry.token = caller->token_sha256().short_hex();
  }
  entry.certificate = SubjectOf(*call.context);
  entry.peer = PeerOf(*call.context);
  entry.method = absl::StrCat(call.rule->service, "/", call.rule->name);
  if (call.request != nullptr) Collect(*call.request, 0, entry.which);
  if (call.response != nullptr && call.status.ok()) Collect(*call.response, 0, entry.which);
  entry.result = CodeName(call.status.error_code());
  entry.message = call.status.error_message();
  if (const auto trace = TraceOf(*call.context); trace.has_value()) entry.trace_id = trace->trace_id;
  return entry;
}

}  // namespace

bool IsAudited(const MethodRule& rule, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
      status.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
    return true;
  }
  if (rule.least == Role::kWorker) return rule.rpc == Rpc::kRegisterWorker;
  return rule.least != Role::kViewer;
}

StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path, const Gate* gate) {
  std::unique_ptr<AuditLog> log(new AuditLog(path, gate));
  const MutexLock lock(&log->mutex_);
  LWQ_RETURN_IF_ERROR(log->OpenAnew());
  return log;
}

Status AuditLog::OpenAnew() {
  UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) return ErrnoStatus(errno, "cannot open the audit log", path_);
  file_ = std::move(file);
  return absl::OkStatus();
}

void AuditLog::OnEnded(const EndedCall& call) {
  if (call.rule == nullptr || !IsAudited(*call.rule, call.status)) return;
  Write(AuditLine(EntryOf(call, *gate_)));
}

void AuditLog::Write(const std::string& line) {
  const MutexLock lock(&mutex_);
  struct stat open_one {
  }, named{};
  const bool moved = ::fstat(file_.get(), &open_one) != 0 || ::stat(path_.c_str(), &named) != 0 ||
                     open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev;
  Status status = moved ? OpenAnew() : absl::OkStatus();
  // One write: lines of several processes do not mix.
  if (status.ok() && ::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    status = ErrnoStatus(errno, "cannot write the audit log", path_);
  }
  if (!status.ok()) spdlog::error("{}", MessageOf(status));
}

}  // namespace lwq::coordinator
