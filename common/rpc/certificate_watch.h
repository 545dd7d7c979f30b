// SPDX-License-Identifier: Apache-2.0
// Certificates that are taken up while they are replaced, without a handshake that fails.
//
// gRPC's own watcher (1.51) takes files as it finds them: between the moment at which a key is replaced and the one at
// which its certificate is, every new connection fails. So it is not given the files but copies in memory, which only
// change once the files are whole and belong together; until then the former ones stay in use, and one line in the log
// says why. Copies are anonymous files of this process: no key is written to a disk.
//
// Thread-safety: any thread. Owns a thread that looks at the files.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "common/file/posix_file.h"
#include "common/rpc/certificates.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "grpcpp/security/tls_certificate_provider.h"

namespace lwq {

class CertificateWatch {
 public:
  // How often the files are looked at; gRPC looks at the copies once a second.
  static constexpr std::chrono::milliseconds kInterval{1000};

  // Errors of ReadCertificates; UNAVAILABLE: the system gives no memory for the copies.
  static StatusOr<std::unique_ptr<CertificateWatch>> Start(const CertificateFiles& files,
                                                           std::chrono::milliseconds interval = kInterval);
  ~CertificateWatch();
  CertificateWatch(const CertificateWatch&) = delete;
  CertificateWatch& operator=(const CertificateWatch&) = delete;

  // Of the copies.
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const { return provider_; }
  const CertificateFiles& files() const { return files_; }
  // As they are in use, for servers that are not gRPC's.
  Certificates Current() const;

 private:
  // A descriptor whose path always opens one whole version of a text.
  class Copy {
   public:
    // A version, to be put in place: what belongs together is prepared first and then put one right after the other, as
    // gRPC may read in between.
    static StatusOr<UniqueFd> Prepare(const std::string& text);
    Status Put(UniqueFd version);
    // "" before the first Put.
    std::string path() const;

   private:
    UniqueFd fd_;
  };

  explicit CertificateWatch(const CertificateFiles& files) : files_(files) {}
  Status Take(const Certificates& read);
  void Loop(std::chrono::milliseconds interval);
  void Look();

  const CertificateFiles files_;
  // Of the thread, after Start.
  std::string problem_;  // as last logged
  Copy ca_;
  Copy cert_;
  Copy key_;
  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;

  mutable Mutex mutex_;
  CondVar wake_;
  // Changed by the thread alone.
  Certificates current_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace lwq
