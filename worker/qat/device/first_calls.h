// SPDX-License-Identifier: Apache-2.0
// Calls each of MKL's vector functions once. MKL 2024.2 has a reported race (pytorch issue 188792): where the first
// call of one comes from several threads, a thread's share may be computed by a kernel of lower accuracy. One call on
// one element, before there are other threads, chooses the kernel for all.
//
// Thread-safety: for the start of a process, on the compute thread.
#pragma once

namespace lwq::qat {

void CallVectorFunctionsOnce();

}  // namespace lwq::qat
