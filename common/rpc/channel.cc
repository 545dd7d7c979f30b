// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/channel.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace lwq {

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_receive_bytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, options.initial_backoff_ms);
  // Which is no backoff (findings/grpc_min_reconnect_backoff.sh).
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, options.connect_timeout_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, options.max_backoff_ms);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.own_connection) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (options.keepalive_ms > 0) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_ms);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout_ms);
  }
  if (options.security == nullptr) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(CallerSecurity::Interceptor(options.security));
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, options.security->Credentials(), arguments,
                                                                 std::move(interceptors));
}

void ListenOn(const std::string& address, grpc::ServerBuilder& builder, int* port,
              const CertificateWatch* certificates) {
  if (certificates == nullptr) {
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), port);
    return;
  }
  grpc::experimental::TlsServerCredentialsOptions options(certificates->provider());
  options.watch_identity_key_cert_pairs();
  if (!certificates->files().ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  builder.AddListeningPort(address, grpc::experimental::TlsServerCredentials(options), port);
}

}  // namespace lwq
