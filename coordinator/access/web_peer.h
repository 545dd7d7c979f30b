// SPDX-License-Identifier: Apache-2.0
// Who has sent a call that came over HTTP and goes on as one of gRPC's within the process.
#pragma once

namespace lwq::coordinator {

// Metadata of such a call: HOST:PORT of its sender, as the HTTP server sees it. From others it means nothing.
inline constexpr char kWebPeerKey[] = "lwq-web-peer";
// What gRPC calls the peer of a call within the process.
inline constexpr char kInProcessPeer[] = "unknown";

}  // namespace lwq::coordinator
