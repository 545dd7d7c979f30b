// SPDX-License-Identifier: Apache-2.0
// A server of cpp-httplib over TLS 1.2 or later, with the certificates that are in use at each handshake; where they
// have a CA, callers must show a certificate of it, as gRPC's must.
#pragma once

#include <httplib.h>

#include <memory>

#include "common/rpc/certificate_watch.h"
#include "common/status/status.h"

namespace lwq::coordinator {

// The certificates must outlive the server. INTERNAL: OpenSSL makes no context.
StatusOr<std::unique_ptr<httplib::Server>> MakeHttpsServer(const CertificateWatch* certificates);

}  // namespace lwq::coordinator
