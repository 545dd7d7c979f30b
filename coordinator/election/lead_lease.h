// SPDX-License-Identifier: Apache-2.0
// Which of several coordinators of one store may lead now: a lease that one of them holds and renews.
//
// The lease decides who tries to lead, and how soon after the last one is gone; it protects nothing. That a coordinator
// whose lease has ended changes no record any more is the term's doing (store.h). Time is the lease's own, never that
// of the machines that ask.
//
// Thread-safety: one thread at a time. Errors: UNAVAILABLE and the like, in one line; nothing is known then.
#pragma once

#include <string>

#include "common/status/status.h"

namespace lwq::coordinator {

// A coordinator as others know it.
struct Candidate {
  std::string id;       // of this process and no other
  std::string address;  // HOST:PORT at which it is to be called
};

struct Lead {
  bool own = false;     // the one who asked holds the lease
  std::string address;  // of who holds it; "": nobody
};

class LeadLease {
 public:
  virtual ~LeadLease() = default;
  // Makes the lease the candidate's where it has ended, for one full length from now.
  virtual StatusOr<Lead> Take() = 0;
  // Likewise, whoever holds it.
  virtual StatusOr<Lead> TakeByForce() = 0;
  // One full length from now, where it is still the candidate's, even if it has ended meanwhile.
  virtual StatusOr<Lead> Renew() = 0;
  // Ends it now, where it is the candidate's.
  virtual Status Release() = 0;
};

}  // namespace lwq::coordinator
