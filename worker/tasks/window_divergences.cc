// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/window_divergences.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/artifact/number_part.h"
#include "common/eval_tasks/accuracy.h"
#include "common/json/json.h"

namespace lwq::worker {
namespace {

constexpr std::string_view kWindowDivergencesKind = "window_divergences";
constexpr char kSums[] = "sums";
constexpr char kSquareSums[] = "square_sums";
constexpr char kAgreements[] = "agreements";

// As they are stored: a list for each number.
struct Columns {
  std::vector<double> sums;
  std::vector<double> square_sums;
  std::vector<int64_t> agreements;
};

bool IsPossible(const qat::WindowDivergence& window, int64_t targets) {
  return std::isfinite(window.sum) && window.sum >= 0 && std::isfinite(window.square_sum) && window.square_sum >= 0 &&
         window.agreements >= 0 && window.agreements <= targets;
}

}  // namespace

StatusOr<ArtifactRef> PublishWindowDivergences(ArtifactStore& store, const WindowDivergences& divergences) {
  Manifest manifest;
  manifest.kind = std::string(kWindowDivergencesKind);
  manifest.meta = {{"windows", divergences.windows.size()}, {"seqlen", divergences.seqlen}};
  if (!divergences.windows.empty()) {
    Columns columns;
    for (const qat::WindowDivergence& window : divergences.windows) {
      columns.sums.push_back(window.sum);
      columns.square_sums.push_back(window.square_sum);
      columns.agreements.push_back(window.agreements);
    }
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kSums, columns.sums, &manifest));
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kSquareSums, columns.square_sums, &manifest));
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kAgreements, columns.agreements, &manifest));
  }
  return store.Publish(manifest);
}

StatusOr<WindowDivergences> LoadWindowDivergences(BlobSource& blobs, const ArtifactRef& artifact) {
  const auto damaged = [&](std::string_view problem) {
    return absl::DataLossError(absl::StrCat("window divergences ", artifact.digest.short_hex(), " ", problem));
  };
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kWindowDivergencesKind) return damaged("are of another kind");
  const StatusOr<int64_t> windows = JsonInt(manifest.meta, "windows", "meta");
  const StatusOr<int64_t> seqlen = JsonInt(manifest.meta, "seqlen", "meta");
  if (!windows.ok() || !seqlen.ok() || *windows < 0 || *seqlen < 2) return damaged("do not say of which windows");
  WindowDivergences divergences{.seqlen = *seqlen, .windows = {}};
  if (*windows == 0 && manifest.parts.empty()) return divergences;
  if (manifest.parts.size() != 3) return damaged("have not their three parts");
  Columns columns;
  LWQ_ASSIGN_OR_RETURN(const bool has_sums, TakeNumbers(blobs, manifest.parts[0], kSums, *windows, &columns.sums));
  LWQ_ASSIGN_OR_RETURN(const bool has_squares,
                       TakeNumbers(blobs, manifest.parts[1], kSquareSums, *windows, &columns.square_sums));
  LWQ_ASSIGN_OR_RETURN(const bool has_agreements,
                       TakeNumbers(blobs, manifest.parts[2], kAgreements, *windows, &columns.agreements));
  if (!has_sums || !has_squares || !has_agreements) return damaged("have not one of each for each window");
  for (size_t i = 0; i < columns.sums.size(); ++i) {
    const qat::WindowDivergence window{columns.sums[i], columns.square_sums[i], columns.agreements[i]};
    if (!IsPossible(window, *seqlen - 1)) return damaged("have a window that cannot be");
    divergences.windows.push_back(window);
  }
  return divergences;
}

std::vector<Measured> MeasuresOf(const WindowDivergences& divergences) {
  LWQ_CHECK(!divergences.windows.empty(), "a divergence of no windows");
  const int64_t count = std::ssize(divergences.windows) * (divergences.seqlen - 1);
  double sum = 0, square_sum = 0;
  int64_t agreements = 0;
  for (const qat::WindowDivergence& window : divergences.windows) {
    sum += window.sum;
    square_sum += window.square_sum;
    agreements += window.agreements;
  }
  const auto tokens = static_cast<double>(count);
  Measured kl{.metric = kKlDivergenceMetric, .value = sum / tokens, .count = count};
  if (count > 1) {
    const double squares = std::max(0.0, square_sum - sum * (sum / tokens));
    kl.standard_error = std::min(std::sqrt(squares / (tokens - 1) / tokens), std::numeric_limits<double>::max());
  }
  const Accuracy agreement = ShareOf(agreements, count);
  return {kl,
          {.metric = kTop1AgreementMetric,
           .value = agreement.value,
           .standard_error = agreement.standard_error,
           .count = count}};
}

}  // namespace lwq::worker
