// SPDX-License-Identifier: Apache-2.0
#include "worker/daemon/process_memory.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace lwq::worker {
namespace {

// Whether the loader has written into segments that the program may only read: those pages are in no file.
bool HasRelocatedText(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
        return true;
    }
  }
  return false;
}

int ReleaseReadOnlySegments(dl_phdr_info* object, size_t /*size*/, void* /*data*/) {
  if (HasRelocatedText(*object)) return 0;
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) / page * page;
    // Refused for the kernel's own pages (vdso), which stay.
    [[maybe_unused]] const int released = madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

int64_t PeakRssBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmHWM:") {
      int64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  }
  return 0;
}

void ResetPeakRss() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

void ReleaseProgramPages() {
  dl_iterate_phdr(ReleaseReadOnlySegments, nullptr);
}

}  // namespace lwq::worker
