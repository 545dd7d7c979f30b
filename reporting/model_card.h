// SPDX-License-Identifier: Apache-2.0
// README.md of an export: the model card, as the Hub reads it. What the model was made of and how, what was measured of
// it, and how it is loaded, with what loads it wrong.
//
// It is made when an export is fetched, from the run, so that it has what was measured by then; fetched again later, it
// has what was measured since. Equal runs give equal cards. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/export_format/export_format.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::reporting {

inline constexpr char kModelCardFile[] = "README.md";
// Where the card of the model that was quantized goes.
inline constexpr char kBaseCardFile[] = "BASE_MODEL_README.md";

struct CardInputs {
  // The card of the model that was quantized, whose licence and language are carried over; absent: it has none.
  std::optional<std::string> base_card = std::nullopt;
  std::string version;  // of this program
};

// Requires a run with an export.
std::string ModelCard(const lwqat::v1::Run& run, const CardInputs& inputs);

// Whether the text is a card that this program has made.
bool IsModelCard(std::string_view text);

// The card of the same model in another format: how it is loaded, and the tags that name the format, are replaced. A
// text that is no card of ours is returned as it is.
std::string ConvertedModelCard(std::string_view card, ExportFormat format, const ServedModel& model);

}  // namespace lwq::reporting
