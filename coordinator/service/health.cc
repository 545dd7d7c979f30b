// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/health.h"

#include <string>

#include "grpcpp/health_check_service_interface.h"

namespace lwq::coordinator {
namespace {

constexpr const char* kServices[] = {"lwqat.v1.RunService", "lwqat.v1.SweepService", "lwqat.v1.StorageService",
                                     "lwqat.v1.WorkerService"};

}  // namespace

void SayHealth(grpc::Server& server, bool leads) {
  auto* health = server.GetHealthCheckService();
  for (const char* service : kServices) health->SetServingStatus(service, leads);
  // After the services: it sets all that there are.
  if (!leads) health->SetServingStatus(false);
  health->SetServingStatus(kLiveService, true);
}

}  // namespace lwq::coordinator
