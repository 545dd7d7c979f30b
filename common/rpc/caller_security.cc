// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/caller_security.h"

#include "common/access/bearer_token.h"
#include "common/file/small_file.h"
#include "common/rpc/address.h"
#include "common/trace/trace_context.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace lwq {
namespace {

constexpr int64_t kMaxTokenFileBytes = 4096;

class ShowingInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit ShowingInterceptor(const CallerSecurity* security) : security_(security) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      for (auto& header : security_->Headers()) methods->GetSendInitialMetadata()->insert(std::move(header));
    }
    methods->Proceed();
  }

 private:
  const CallerSecurity* const security_;
};

// The channel owns it, and calls keep the channel.
class ShowingFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit ShowingFactory(std::shared_ptr<const CallerSecurity> security) : security_(std::move(security)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* /*info*/) override {
    return new ShowingInterceptor(security_.get());
  }

 private:
  const std::shared_ptr<const CallerSecurity> security_;
};

}  // namespace

StatusOr<std::unique_ptr<TokenSource>> TokenSource::Open(const std::string& path) {
  std::unique_ptr<TokenSource> source(new TokenSource(path));
  const MutexLock lock(&source->mutex_);
  source->identity_ = IdentityOfFile(path);
  LWQ_ASSIGN_OR_RETURN(source->token_, Read(path));
  return source;
}

StatusOr<std::string> TokenSource::Read(const std::string& path) {
  StatusOr<std::string> read = ReadSmallFile(path, kMaxTokenFileBytes);
  if (!read.ok()) return absl::FailedPreconditionError(absl::StrCat("the token file: ", MessageOf(read.status())));
  std::string_view text = *read;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  if (IsBearerToken(text)) return std::string(text);
  // What it holds is not quoted: it may be a secret for something else.
  return absl::FailedPreconditionError(
      absl::StrCat("the token file ", path, " holds no token as lwq token create prints it"));
}

std::string TokenSource::Current() {
  const MutexLock lock(&mutex_);
  const std::optional<FileIdentity> identity = IdentityOfFile(path_);
  if (identity != identity_) {
    StatusOr<std::string> token = Read(path_);
    if (token.ok()) {
      token_ = *std::move(token);
      identity_ = identity;
    }
  }
  return token_;
}

StatusOr<std::shared_ptr<const CallerSecurity>> CallerSecurity::Open(const CallerFiles& files) {
  auto security = std::make_shared<CallerSecurity>();
  if (files.certificates.ca.empty() && !(files.certificates.cert.empty() && files.certificates.key.empty())) {
    return absl::InvalidArgumentError("a certificate to show needs a CA to trust: give --tls-ca, too");
  }
  if (!files.certificates.ca.empty()) {
    LWQ_ASSIGN_OR_RETURN(security->certificates_, CertificateWatch::Start(files.certificates));
  }
  if (!files.token.empty()) {
    LWQ_ASSIGN_OR_RETURN(security->token_, TokenSource::Open(files.token));
  }
  if (ParseTraceparent(files.traceparent).has_value()) security->traceparent_ = files.traceparent;
  return security;
}

Status CallerSecurity::CheckAddress(std::string_view address) const {
  if (token_ == nullptr || tls()) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const HostPort parsed, ParseHostPort(address));
  if (IsLoopback(parsed.host)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the token would go to ", address, " in the clear: give --tls-ca, the CA of the coordinator"));
}

std::shared_ptr<grpc::ChannelCredentials> CallerSecurity::Credentials() const {
  if (!tls()) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(certificates_->provider());
  options.watch_root_certs();
  if (!certificates_->files().cert.empty()) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CallerSecurity::Interceptor(
    std::shared_ptr<const CallerSecurity> security) {
  return std::make_unique<ShowingFactory>(std::move(security));
}

std::vector<std::pair<std::string, std::string>> CallerSecurity::Headers() const {
  std::vector<std::pair<std::string, std::string>> headers;
  if (token_ != nullptr) headers.emplace_back("authorization", absl::StrCat("Bearer ", token_->Current()));
  if (!traceparent_.empty()) headers.emplace_back("traceparent", traceparent_);
  return headers;
}

}  // namespace lwq
