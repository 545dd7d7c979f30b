// SPDX-License-Identifier: Apache-2.0
// What each project has in the object store of its own making: the models, tokenizers and texts that its runs name,
// each once however many name it. The coordinator sees no upload; but what no run names is garbage (docs/storage.md),
// so this is what uploads come to that stay.
//
// Pure; thread-safety: none.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "coordinator/graph/run_spec.h"

namespace lwq::coordinator {

class ProjectInputs {
 public:
  void Add(const RunSpec& spec);
  // Requires that it was added.
  void Remove(const RunSpec& spec);

  int64_t total_bytes() const { return total_bytes_; }
  int64_t BytesOf(const std::string& project) const;
  // Bytes that the runs of each project would add, together.
  std::map<std::string, int64_t> AddedBy(std::span<const RunSpec* const> specs) const;

  friend bool operator==(const ProjectInputs&, const ProjectInputs&) = default;

 private:
  struct Input {
    int64_t bytes = 0;
    int64_t named = 0;
    friend bool operator==(const Input&, const Input&) = default;
  };
  struct Project {
    std::map<Digest, Input> inputs;
    int64_t bytes = 0;
    friend bool operator==(const Project&, const Project&) = default;
  };
  std::map<std::string, Project> projects_;  // those that have any
  int64_t total_bytes_ = 0;
};

}  // namespace lwq::coordinator
