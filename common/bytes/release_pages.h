// SPDX-License-Identifier: Apache-2.0
// Keeps what has been read of mapped files out of a process's resident memory.
#pragma once

#include "common/bytes/bytes.h"

namespace lwq {

// Takes the pages of a mapped file that lie in `bytes` out of the process's memory: they are read again when they are
// needed. Of a heap buffer, nothing. For bytes that have just been copied or verified. Thread-safety: other threads may
// read the same bytes meanwhile.
void ReleasePages(const Bytes& bytes);

}  // namespace lwq
