// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/step/submission.h"

#include <map>
#include <utility>

#include "common/json/json.h"
#include "common/text/one_line.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kMaxRequestIdBytes = 200;
constexpr size_t kShownNameBytes = 80;
constexpr size_t kMaxLineBytes = 512;
constexpr size_t kMaxLabels = 64;

// Builds the graph for the classes. One that comes out impossible is left to the step, where the run fails of it.
void Begin(ChosenClasses chosen, PreparedRun& prepared) {
  const ResolvedSpec& resolved = prepared.resolved;
  const Recipe recipe = PinRecipe(resolved.recipe, chosen.hardware_bf16);
  StatusOr<RunGraph> graph = BuildRunGraph(resolved.spec, resolved.model.get(), recipe, chosen.bases);
  if (graph.ok()) prepared.start = {std::move(chosen), PrepareGraph(*std::move(graph))};
}

}  // namespace

StatusOr<PreparedRun> PrepareRun(const RunSpec& spec) {
  PreparedRun prepared;
  prepared.spec_digest = DigestOf(CanonicalJson(RunSpecToJson(spec)));
  LWQ_ASSIGN_OR_RETURN(prepared.resolved, ResolveSpec(spec));
  const ResolvedSpec& resolved = prepared.resolved;
  LWQ_ASSIGN_OR_RETURN(prepared.plan, PlanOfRun(resolved.spec, resolved.model.get(), resolved.recipe, {}));
  return prepared;
}

Status PrepareRuns(StateReader& reader, std::span<SubmitRun> runs) {
  std::vector<StatusOr<PreparedRun>> prepared;
  prepared.reserve(runs.size());
  for (const SubmitRun& run : runs) prepared.push_back(PrepareRun(run.spec));
  std::vector<std::optional<ChosenClasses>> chosen(runs.size());
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
    for (size_t i = 0; i < runs.size(); ++i) {
      if (!prepared[i].ok()) continue;
      StatusOr<std::optional<ChosenClasses>> classes = ChooseClasses(state, prepared[i]->resolved);
      if (classes.ok()) chosen[i] = *std::move(classes);
    }
  }));
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!prepared[i].ok()) continue;
    if (chosen[i].has_value()) Begin(*std::move(chosen[i]), *prepared[i]);
    runs[i].prepared = std::make_shared<const PreparedRun>(*std::move(prepared[i]));
  }
  return absl::OkStatus();
}

StatusOr<std::optional<RunId>> SubmittedBefore(const State& state, const std::string& request_id,
                                               const Digest& spec_digest) {
  if (request_id.size() > kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("request_id has ", request_id.size(), " bytes, at most ", kMaxRequestIdBytes, " are allowed"));
  }
  const auto request = state.requests.find(request_id);
  if (request_id.empty() || request == state.requests.end()) return std::optional<RunId>();
  if (request->second.spec_digest != spec_digest) {
    return absl::AlreadyExistsError(absl::StrCat("request_id '", OneLine(request_id, kShownNameBytes),
                                                 "' was used for run ", request->second.run.value,
                                                 " with another spec: use a new request_id"));
  }
  return std::make_optional(request->second.run);
}

Status Admit(const State& state, const std::string& request_id, const PreparedRun& prepared) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<RunId> before, SubmittedBefore(state, request_id, prepared.spec_digest));
  if (before.has_value()) return absl::OkStatus();
  return ChooseClasses(state, prepared.resolved).status();
}

Status CheckInputs(const State& state, const ProjectInputs& there, std::span<const RunSpec* const> specs) {
  for (const auto& [project, added] : there.AddedBy(specs)) {
    const int64_t most = state.shares.OptionsOf(project).max_input_bytes;
    const int64_t bytes = there.BytesOf(project) + added;
    if (most == 0 || added == 0 || bytes <= most) continue;
    return absl::ResourceExhaustedError(
        absl::StrCat("project '", OneLine(project, kShownNameBytes), "' would have ", HumanBytes(bytes),
                     " of models and texts in its runs, and may have ", HumanBytes(most),
                     " (--project-inputs): delete runs that are not needed any more (lwq delete), or ask whoever runs "
                     "the coordinator"));
  }
  return absl::OkStatus();
}

Status CheckTogether(std::span<const SubmitRun> runs) {
  if (runs.empty()) return absl::InvalidArgumentError("runs is empty: give at least one");
  if (runs.size() > kMaxRunsAtOnce) {
    return absl::InvalidArgumentError(absl::StrCat("runs has ", runs.size(), " entries, at most ", kMaxRunsAtOnce,
                                                   " are accepted at once: submit them in parts"));
  }
  std::map<std::string_view, size_t> places;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].request_id.empty()) continue;
    const auto [same, added] = places.emplace(runs[i].request_id, i);
    if (added) continue;
    return OfRun(
        absl::InvalidArgumentError(absl::StrCat("request_id '", OneLine(runs[i].request_id, kShownNameBytes),
                                                "' is that of run ", same->second + 1, " too: give each run its own")),
        i, runs.size(), runs[i].spec.name);
  }
  return absl::OkStatus();
}

Status CheckSweep(const SubmitSweep& sweep) {
  const auto bad = [](std::string_view what) { return absl::InvalidArgumentError(absl::StrCat("sweep: ", what)); };
  const auto is_line = [](const std::string& text) { return OneLine(text, kMaxLineBytes) == text; };
  if (!is_line(sweep.name)) return bad(absl::StrCat("name must be one line of at most ", kMaxLineBytes, " bytes"));
  if (sweep.request_id.size() > kMaxRequestIdBytes) {
    return bad(absl::StrCat("request_id has ", sweep.request_id.size(), " bytes, at most ", kMaxRequestIdBytes,
                            " are allowed"));
  }
  if (sweep.labels.size() != sweep.runs.size()) return bad("labels are not given for every run");
  for (const auto& labels : sweep.labels) {
    if (labels.size() > kMaxLabels) return bad(absl::StrCat("a run has more than ", kMaxLabels, " labels"));
    for (const auto& [axis, value] : labels) {
      if (axis.empty() || !is_line(axis) || !is_line(value)) {
        return bad(absl::StrCat("label '", OneLine(axis, kShownNameBytes), "' must be one line of at most ",
                                kMaxLineBytes, " bytes, as its value"));
      }
    }
  }
  return absl::OkStatus();
}

Digest DigestOfSweep(const SubmitSweep& sweep, std::span<const std::shared_ptr<const PreparedRun>> prepared) {
  Json text = {{"name", sweep.name}, {"runs", Json::array()}};
  for (size_t i = 0; i < prepared.size(); ++i) {
    text["runs"].push_back({{"spec", prepared[i]->spec_digest.hex()}, {"labels", sweep.labels[i]}});
  }
  if (sweep.halving.has_value()) {
    const HalvingRule& rule = sweep.halving->rule;
    text["halving"] = {{"metric", WordOf(sweep.halving->metric)},
                       {"order", WordOf(rule.order)},
                       {"min_blocks", rule.min_blocks},
                       {"eta", rule.eta}};
  }
  return DigestOf(CanonicalJson(text));
}

StatusOr<std::optional<SweepId>> SweptBefore(const State& state, const std::string& request_id,
                                             const Digest& spec_digest) {
  const auto before = state.sweeps_by_request.find(request_id);
  if (request_id.empty() || before == state.sweeps_by_request.end()) return std::optional<SweepId>();
  if (state.sweeps.at(before->second).spec_digest != spec_digest) {
    return absl::AlreadyExistsError(absl::StrCat("request_id '", OneLine(request_id, kShownNameBytes),
                                                 "' was used for sweep ", before->second.value,
                                                 " with other runs: use a new request_id"));
  }
  return std::make_optional(before->second);
}

Status OfRun(const Status& status, size_t index, size_t count, std::string_view name) {
  const std::string named = name.empty() ? "" : absl::StrCat(" (", OneLine(name, kShownNameBytes), ")");
  return Annotate(status, absl::StrCat("run ", index + 1, " of ", count, named));
}

StatusOr<std::vector<PreparedRun>> ValidateRuns(StateReader& reader, std::span<const SubmitRun> runs) {
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  std::vector<PreparedRun> prepared;
  prepared.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    StatusOr<PreparedRun> one = PrepareRun(runs[i].spec);
    if (!one.ok()) return OfRun(one.status(), i, runs.size(), runs[i].spec.name);
    prepared.push_back(*std::move(one));
  }
  Status admitted;
  LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
    for (size_t i = 0; i < runs.size() && admitted.ok(); ++i) {
      admitted = OfRun(Admit(state, runs[i].request_id, prepared[i]), i, runs.size(), runs[i].spec.name);
    }
    // Before files are uploaded their digests stand for nothing: only what they come to by themselves is known.
    std::vector<const RunSpec*> specs;
    for (const PreparedRun& one : prepared) specs.push_back(&one.resolved.spec);
    if (admitted.ok()) admitted = CheckInputs(state, ProjectInputs(), specs);
  }));
  LWQ_RETURN_IF_ERROR(admitted);
  return prepared;
}

}  // namespace lwq::coordinator
