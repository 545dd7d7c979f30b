// SPDX-License-Identifier: Apache-2.0
// Between the wire's messages and the core's values: specs, recipes, artifacts. Pure; thread-safe.
// From the wire: INVALID_ARGUMENT naming the field. To the wire never fails; both ways round give the same value.
#pragma once

#include "common/status/status.h"
#include "coordinator/graph/run_spec.h"
#include "lwqat/v1/artifact.pb.h"
#include "lwqat/v1/spec.pb.h"

namespace lwq::coordinator {

namespace wire = ::lwqat::v1;

StatusOr<ArtifactRef> FromWire(const wire::ArtifactRef& message, std::string_view field);
void ToWire(const ArtifactRef& artifact, wire::ArtifactRef* message);

PartialRecipe FromWire(const wire::Recipe& message);
void ToWire(const PartialRecipe& recipe, wire::Recipe* message);
void ToWire(const Recipe& recipe, wire::Recipe* message);

StatusOr<RunSpec> FromWire(const wire::RunSpec& message);
void ToWire(const RunSpec& spec, wire::RunSpec* message);

}  // namespace lwq::coordinator
