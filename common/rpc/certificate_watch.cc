// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/certificate_watch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "spdlog/spdlog.h"

namespace lwq {
namespace {

constexpr unsigned kProviderIntervalSeconds = 1;

}  // namespace

StatusOr<UniqueFd> CertificateWatch::Copy::Prepare(const std::string& text) {
  UniqueFd version(::memfd_create("lwq-certificate", MFD_CLOEXEC));
  if (!version) return ErrnoStatus(errno, "cannot copy", "a certificate into memory");
  LWQ_RETURN_IF_ERROR(WriteAt(version.get(), 0, std::as_bytes(std::span(text)), "a certificate in memory"));
  return version;
}

Status CertificateWatch::Copy::Put(UniqueFd version) {
  if (!fd_) {
    fd_ = std::move(version);
    return absl::OkStatus();
  }
  // At once: whoever opens the path has the one version or the other.
  if (::dup3(version.get(), fd_.get(), O_CLOEXEC) < 0) return ErrnoStatus(errno, "cannot replace", "a certificate");
  return absl::OkStatus();
}

std::string CertificateWatch::Copy::path() const {
  return fd_ ? absl::StrCat("/proc/self/fd/", fd_.get()) : "";
}

StatusOr<std::unique_ptr<CertificateWatch>> CertificateWatch::Start(const CertificateFiles& files,
                                                                    std::chrono::milliseconds interval) {
  LWQ_ASSIGN_OR_RETURN(const Certificates read, ReadCertificates(files, std::time(nullptr)));
  std::unique_ptr<CertificateWatch> watch(new CertificateWatch(files));
  LWQ_RETURN_IF_ERROR(watch->Take(read));
  watch->provider_ = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      watch->key_.path(), watch->cert_.path(), watch->ca_.path(), kProviderIntervalSeconds);
  watch->thread_ = std::thread([watch = watch.get(), interval] { watch->Loop(interval); });
  return watch;
}

CertificateWatch::~CertificateWatch() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

Certificates CertificateWatch::Current() const {
  const MutexLock lock(&mutex_);
  return current_;
}

Status CertificateWatch::Take(const Certificates& read) {
  const MutexLock lock(&mutex_);
  if (!files_.ca.empty() && read.ca != current_.ca) {
    LWQ_ASSIGN_OR_RETURN(UniqueFd ca, Copy::Prepare(read.ca));
    LWQ_RETURN_IF_ERROR(ca_.Put(std::move(ca)));
  }
  if (!files_.cert.empty() && (read.cert != current_.cert || read.key != current_.key)) {
    LWQ_ASSIGN_OR_RETURN(UniqueFd key, Copy::Prepare(read.key));
    LWQ_ASSIGN_OR_RETURN(UniqueFd cert, Copy::Prepare(read.cert));
    LWQ_RETURN_IF_ERROR(key_.Put(std::move(key)));
    LWQ_RETURN_IF_ERROR(cert_.Put(std::move(cert)));
  }
  current_ = read;
  return absl::OkStatus();
}

void CertificateWatch::Loop(std::chrono::milliseconds interval) {
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (wake_.WaitFor(lock, interval, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; })) return;
    }
    Look();
  }
}

void CertificateWatch::Look() {
  const StatusOr<Certificates> read = ReadCertificates(files_, std::time(nullptr));
  Status status = read.status();
  if (read.ok()) {
    if (*read == Current()) {
      problem_.clear();
      return;
    }
    status = Take(*read);
  }
  if (status.ok()) {
    problem_.clear();
    spdlog::info("new certificates are in use for {}", files_.cert.empty() ? files_.ca : files_.cert);
  } else if (problem_ != MessageOf(status)) {
    problem_ = MessageOf(status);
    spdlog::warn("the certificates in use so far stay so: {}", problem_);
  }
}

}  // namespace lwq
