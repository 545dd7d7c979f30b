// SPDX-License-Identifier: Apache-2.0
// The lease in the database that the store is in (postgres_store.h), by that server's clock.
//
// A session of its own, opened again where it is lost: a commit that waits holds up no renewal, nor the other way
// round.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "coordinator/election/lead_lease.h"

namespace lwq::coordinator {

// Of a database that OpenPostgresStore has migrated.
std::unique_ptr<LeadLease> MakePostgresLease(std::string uri, Candidate candidate, std::chrono::milliseconds length);

}  // namespace lwq::coordinator
