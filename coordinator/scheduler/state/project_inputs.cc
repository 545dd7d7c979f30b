// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/project_inputs.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

// What it is known by: its digest and the size that the run says it has. Nobody has checked that, and of two runs that
// say different sizes neither changes what the other counts.
Digest NameOf(const ArtifactRef& input) {
  return DigestOf(absl::StrCat(input.digest.hex(), "|", input.size_bytes));
}

// With repetitions.
std::vector<ArtifactRef> InputsOf(const RunSpec& spec) {
  std::vector<ArtifactRef> inputs;
  if (spec.model.has_value()) inputs = {spec.model->files, spec.model->tokenizer, spec.model->companions};
  if (spec.calibration.has_value()) inputs.push_back(spec.calibration->files);
  for (const TextSource& text : spec.eval_texts) inputs.push_back(text.files);
  for (const TextSource& task : spec.eval_tasks) inputs.push_back(task.files);
  std::erase_if(inputs, [](const ArtifactRef& input) { return input.digest.is_zero(); });
  return inputs;
}

}  // namespace

void ProjectInputs::Add(const RunSpec& spec) {
  for (const ArtifactRef& input : InputsOf(spec)) {
    Project& project = projects_[spec.project];
    const auto [known, is_new] = project.inputs.try_emplace(NameOf(input));
    ++known->second.named;
    if (!is_new) continue;
    known->second.bytes = std::max<int64_t>(0, input.size_bytes);
    project.bytes += known->second.bytes;
    total_bytes_ += known->second.bytes;
  }
}

void ProjectInputs::Remove(const RunSpec& spec) {
  const auto project = projects_.find(spec.project);
  for (const ArtifactRef& input : InputsOf(spec)) {
    LWQ_CHECK(project != projects_.end(), "no run of project '", spec.project, "' names an input");
    const auto known = project->second.inputs.find(NameOf(input));
    LWQ_CHECK(known != project->second.inputs.end(), "no run names input ", input.digest.short_hex());
    if (--known->second.named > 0) continue;
    project->second.bytes -= known->second.bytes;
    total_bytes_ -= known->second.bytes;
    project->second.inputs.erase(known);
  }
  if (project != projects_.end() && project->second.inputs.empty()) projects_.erase(project);
}

int64_t ProjectInputs::BytesOf(const std::string& project) const {
  const auto found = projects_.find(project);
  return found == projects_.end() ? 0 : found->second.bytes;
}

std::map<std::string, int64_t> ProjectInputs::AddedBy(std::span<const RunSpec* const> specs) const {
  std::set<std::pair<std::string, Digest>> counted;
  std::map<std::string, int64_t> added;
  for (const RunSpec* spec : specs) {
    const auto project = projects_.find(spec->project);
    for (const ArtifactRef& input : InputsOf(*spec)) {
      const Digest name = NameOf(input);
      if (project != projects_.end() && project->second.inputs.contains(name)) continue;
      if (counted.emplace(spec->project, name).second) {
        added[spec->project] += std::max<int64_t>(0, input.size_bytes);
      }
    }
  }
  return added;
}

}  // namespace lwq::coordinator
