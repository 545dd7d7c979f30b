// SPDX-License-Identifier: Apache-2.0
// What a caller of the coordinator shows and what it demands: whom it trusts to be the coordinator, its certificate,
// its bearer token. Files are read again when they change, so that a daemon follows what is renewed.
//
// A token goes with every call, but never in the clear to another machine: without TLS only to a loopback address.
// Thread-safety: any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/bytes/mapped_file.h"
#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/client_interceptor.h"

namespace lwq {

// Paths and a value; "" = none. Without `certificates.ca` there is no TLS.
struct CallerFiles {
  CertificateFiles certificates = {};
  std::string token = {};
  std::string traceparent = {};  // a W3C trace context, sent along as it is; what is none is not sent
};

// The token of a file, read again when the file changes.
class TokenSource {
 public:
  // FAILED_PRECONDITION: it cannot be read, or holds no token.
  static StatusOr<std::unique_ptr<TokenSource>> Open(const std::string& path);
  // The last one that could be read.
  std::string Current();

 private:
  explicit TokenSource(std::string path) : path_(std::move(path)) {}
  static StatusOr<std::string> Read(const std::string& path);

  const std::string path_;
  Mutex mutex_;
  std::optional<FileIdentity> identity_ ABSL_GUARDED_BY(mutex_);  // of the file that was read
  std::string token_ ABSL_GUARDED_BY(mutex_);
};

class CallerSecurity {
 public:
  // FAILED_PRECONDITION, naming the file: it cannot be read or used. INVALID_ARGUMENT: a certificate without a key or
  // without a CA.
  static StatusOr<std::shared_ptr<const CallerSecurity>> Open(const CallerFiles& files);

  // FAILED_PRECONDITION where a token would go to the address, HOST:PORT, in the clear.
  Status CheckAddress(std::string_view address) const;
  bool tls() const { return certificates_ != nullptr; }

  std::shared_ptr<grpc::ChannelCredentials> Credentials() const;
  // Adds to every call what is shown with it.
  static std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> Interceptor(
      std::shared_ptr<const CallerSecurity> security);
  // Headers of a call: name and value.
  std::vector<std::pair<std::string, std::string>> Headers() const;

 private:
  std::unique_ptr<CertificateWatch> certificates_;
  std::unique_ptr<TokenSource> token_;
  std::string traceparent_;
};

}  // namespace lwq
