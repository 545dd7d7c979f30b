// SPDX-License-Identifier: Apache-2.0
// Repairs what a verification found.
#pragma once

#include "client/pipeline/repair_plan.h"
#include "client/rpc/run_api.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq::client {

struct Repaired {
  int64_t records_written = 0;
  int64_t blobs_removed = 0;
  int64_t made_again = 0;  // as the coordinator answers a ReportLostArtifacts
  int64_t given_up = 0;
};

// Writes records again, removes what is damaged, and reports lost results; in this order, so that whoever makes a
// result again finds nothing damaged in its way. It may be stopped at any moment: what is removed by then is found gone
// by the next verification. Errors: the store's and RunApi's.
StatusOr<Repaired> Repair(RunApi* api, ObjectStore* objects, const RepairPlan& plan);

}  // namespace lwq::client
