// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/listening_server.h"

#include "common/rpc/address.h"
#include "common/rpc/channel.h"

namespace lwq::coordinator {

StatusOr<ListeningServer> StartListening(std::string_view what, const std::string& listen,
                                         const CertificateWatch* certificates, grpc::ServerBuilder& builder) {
  const StatusOr<HostPort> parsed = ParseHostPort(listen, /*allow_any_port=*/true);
  LWQ_RETURN_IF_ERROR(Annotate(parsed.status(), absl::StrCat(what, " address (port 0 is chosen freely)")));
  int port = 0;
  ListenOn(listen, builder, &port, certificates);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  ListeningServer listening{.server = builder.BuildAndStart(), .address = ""};
  if (listening.server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", listen, ": is the port in use, or the address another machine's?"));
  }
  listening.address = absl::StrCat(parsed->host, ":", port);
  return listening;
}

}  // namespace lwq::coordinator
