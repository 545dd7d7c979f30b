// SPDX-License-Identifier: Apache-2.0
// The parts of records that stores keep as text: enums by name, small maps as JSON. One place for every store.
// Parsing: DATA_LOSS naming what is wrong. Pure; thread-safe.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

StatusOr<RunState> ParseRunState(std::string_view name);
StatusOr<TaskState> ParseTaskState(std::string_view name);
std::string_view TaskPurposeName(TaskPurpose purpose);
StatusOr<TaskPurpose> ParseTaskPurpose(std::string_view name);

// "" for the zero digest.
std::string DigestText(const Digest& digest);
StatusOr<Digest> ParseDigestText(std::string_view text);

std::string OutputsToText(const std::map<std::string, ArtifactRef>& outputs);
StatusOr<std::map<std::string, ArtifactRef>> OutputsFromText(std::string_view text);

std::string ResultToText(const RunResult& result);
// Of the list "perplexities", too, that versions before "measured" stored.
StatusOr<RunResult> ResultFromText(std::string_view text);
std::string MeasurementsToText(const std::vector<Measurement>& measurements);
StatusOr<std::vector<Measurement>> MeasurementsFromText(std::string_view text);

// Only causes that have happened.
std::string FailuresToText(const std::array<int, kFailureCauses>& failures);
StatusOr<std::array<int, kFailureCauses>> FailuresFromText(std::string_view text);

// "" for none.
std::string CheckpointToText(const std::optional<TaskCheckpoint>& checkpoint);
StatusOr<std::optional<TaskCheckpoint>> CheckpointFromText(std::string_view text);

std::string KindBasesToText(const KindBases& bases);
StatusOr<KindBases> KindBasesFromText(std::string_view text);

std::string MembersToText(const std::vector<SweepRecord::Member>& members);
StatusOr<std::vector<SweepRecord::Member>> MembersFromText(std::string_view text);

// "" for none.
std::string HalvingToText(const std::optional<SweepHalving>& halving);
StatusOr<std::optional<SweepHalving>> HalvingFromText(std::string_view text);

std::string KindsToText(const std::vector<TaskKind>& kinds);
StatusOr<std::vector<TaskKind>> KindsFromText(std::string_view text);

std::string ProjectsToText(const ProjectScope& projects);
StatusOr<ProjectScope> ProjectsFromText(std::string_view text);

}  // namespace lwq::coordinator
