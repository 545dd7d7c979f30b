// SPDX-License-Identifier: Apache-2.0
// KEDA's ExternalScaler: how many workers there is work for. Contract: proto/keda/external_scaler.proto.
//
// KEDA sets no deadline and waits for the answer with everything else of the pool, so every call ends by itself: what
// the loop does not answer in time is UNAVAILABLE, upon which KEDA leaves the pool as it is and asks again.
// Thread-safety: gRPC calls from any thread. The runtime must outlive this, and this every call.
#pragma once

#include <cstdint>

#include "coordinator/loop/runtime.h"
#include "keda/external_scaler.grpc.pb.h"

namespace lwq::coordinator {

struct ScalerOptions {
  int64_t answer_ms = 5000;  // how long the loop has to answer
  int64_t look_ms = 1000;    // how often a stream looks whether its pool is active
};

class ScalerService final : public externalscaler::ExternalScaler::CallbackService {
 public:
  ScalerService(Runtime* runtime, const ScalerOptions& options) : runtime_(runtime), options_(options) {}

  grpc::ServerUnaryReactor* IsActive(grpc::CallbackServerContext* context,
                                     const externalscaler::ScaledObjectRef* request,
                                     externalscaler::IsActiveResponse* response) override;
  grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* StreamIsActive(
      grpc::CallbackServerContext* context, const externalscaler::ScaledObjectRef* request) override;
  grpc::ServerUnaryReactor* GetMetricSpec(grpc::CallbackServerContext* context,
                                          const externalscaler::ScaledObjectRef* request,
                                          externalscaler::GetMetricSpecResponse* response) override;
  grpc::ServerUnaryReactor* GetMetrics(grpc::CallbackServerContext* context,
                                       const externalscaler::GetMetricsRequest* request,
                                       externalscaler::GetMetricsResponse* response) override;

 private:
  Runtime* const runtime_;
  const ScalerOptions options_;
};

}  // namespace lwq::coordinator
