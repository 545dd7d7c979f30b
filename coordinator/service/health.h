// SPDX-License-Identifier: Apache-2.0
// What grpc.health.v1 says: "" and each service of the coordinator are SERVING while it leads, and kLiveService while
// its process is there, whether it leads or stands by.
#pragma once

#include "grpcpp/server.h"

namespace lwq::coordinator {

inline constexpr const char kLiveService[] = "live";
// Of servers of health alone.
inline constexpr int kMaxHealthBytes = 4096;

// Requires the default health service (grpc::EnableDefaultHealthCheckService).
void SayHealth(grpc::Server& server, bool leads);

}  // namespace lwq::coordinator
