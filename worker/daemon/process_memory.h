// SPDX-License-Identifier: Apache-2.0
// Resident memory of this process, from the kernel's own counters.
#pragma once

#include <cstdint>

namespace lwq::worker {

// Largest resident set since the last ResetPeakRss, in bytes; 0 where the kernel does not say.
int64_t PeakRssBytes();
// Starts a new maximum at the current resident set. Where the kernel refuses, the old maximum stays.
void ResetPeakRss();

// Lets go of the pages of programs and libraries that are only read: code and constants. What is needed again comes
// back from the files' pages in the kernel's memory. LibTorch's start reads over 100 MiB of them that no task needs.
void ReleaseProgramPages();

}  // namespace lwq::worker
