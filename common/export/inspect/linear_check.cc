// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/linear_check.h"

#include <cstring>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/export/model_blocks.h"
#include "common/export_format/compressed_tensors.h"
#include "common/export_format/gptq.h"

namespace lwq::qat {
namespace {

// In which direction of an I32 matrix streams of `fields` codes run.
enum class Streams { kAlongRows, kAlongColumns };

int64_t UncleanStreams(const HostTensor& words, Streams direction, int64_t fields, int bits) {
  const int64_t rows = words.shape[0];
  const int64_t columns = words.shape[1];
  const int64_t of_stream = direction == Streams::kAlongRows ? columns : rows;
  const int64_t streams = direction == Streams::kAlongRows ? rows : columns;
  const int64_t used_bits = fields * bits - (of_stream - 1) * 32;  // of a stream's last word
  if (used_bits >= 32) return 0;
  int64_t unclean = 0;
  for (int64_t stream = 0; stream < streams; ++stream) {
    const int64_t at =
        direction == Streams::kAlongRows ? stream * columns + columns - 1 : (rows - 1) * columns + stream;
    uint32_t word;
    std::memcpy(&word, words.bytes.data() + at * 4, 4);
    if (word >> used_bits != 0) ++unclean;
  }
  return unclean;
}

void CheckPadding(TensorSource& source, const std::string& tensor, Streams direction, int64_t fields, int bits,
                  Inspection& found) {
  const StatusOr<HostTensor> words = source.Read(tensor);
  if (!words.ok()) return;  // said already
  const int64_t unclean = UncleanStreams(*words, direction, fields, bits);
  if (unclean == 0) return;
  found.AddFault(
      absl::StrCat(tensor, ": the bits behind the last of ", fields, " codes are not zero in ", unclean, " streams"));
}

void CheckScales(const QuantizedLinear& linear, const std::string& name, Inspection& found) {
  const size_t count = linear.scales.bytes.size() / sizeof(float);
  size_t not_positive = 0;
  size_t first = 0;
  for (size_t i = 0; i < count; ++i) {
    float scale;
    std::memcpy(&scale, linear.scales.bytes.data() + i * sizeof(float), sizeof(float));
    if (scale > 0) continue;
    if (not_positive++ == 0) first = i;
  }
  if (not_positive == 0) return;
  const auto groups = static_cast<size_t>(linear.in_features / linear.group_size);
  found.AddFault(absl::StrCat(name, ": ", not_positive, " of ", count, " scales are not above 0, the first of output ",
                              first / groups, ", group ", first % groups));
}

}  // namespace

void CheckStoredLinear(TensorSource& source, const std::string& name, const LinearStorage& storage,
                       const LinearShape& shape, Inspection& found) {
  const StatusOr<LinearWeight> weight = LoadLinear(source, name, storage, shape);
  if (!weight.ok()) return found.AddFault(std::string(MessageOf(weight.status())));
  const auto* linear = std::get_if<QuantizedLinear>(&*weight);
  if (linear == nullptr) return;
  CheckScales(*linear, name, found);
  const int bits = storage.bits;
  if (IsGptq(storage.format)) {
    CheckPadding(source, name + ".qweight", Streams::kAlongColumns, shape.in_features, bits, found);
    // In version 1 some programs take one from every field of a word, of those that nothing uses, too.
    if (StoredZerosOf(storage.format) == StoredZeros::kLessOne) return;
    CheckPadding(source, name + ".qzeros", Streams::kAlongRows, shape.out_features, bits, found);
    return;
  }
  CheckPadding(source, absl::StrCat(name, kPackedWeight), Streams::kAlongRows, shape.in_features, bits, found);
  if (storage.symmetric) return;
  CheckPadding(source, absl::StrCat(name, kPackedZeroPoint), Streams::kAlongColumns, shape.out_features, bits, found);
}

}  // namespace lwq::qat
