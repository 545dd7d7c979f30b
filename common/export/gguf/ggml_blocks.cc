// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/ggml_blocks.h"

#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/export/quantized_linear.h"

namespace lwq::qat {
namespace {

// What a block is made of.
struct CodedBlock {
  const uint8_t* codes = nullptr;  // as many as the block spans
  uint16_t scale = 0;              // fp16
  int zero = 0;
};

// Each type: how many weights it spans, whether levels lowest … highest are what it has, how its codes are written and
// read. Pack writes all bytes of the block; Unpack all its weights.
struct Q2_0 {
  static constexpr int64_t kWeights = 64;

  static void Pack(const CodedBlock& source, uint8_t* block) {
    const bool mirrored = source.zero == 2;
    const auto scale = static_cast<uint16_t>(mirrored ? source.scale ^ 0x8000u : source.scale);
    std::memcpy(block, &scale, 2);
    for (int i = 0; i < 16; ++i) {
      unsigned byte = 0;
      for (int j = 0; j < 4; ++j) {
        const unsigned code = source.codes[4 * i + j];
        byte |= (mirrored ? 3u - code : code) << (2 * j);
      }
      block[2 + i] = static_cast<uint8_t>(byte);
    }
  }
  static void Unpack(const uint8_t* block, float* weights) {
    uint16_t scale;
    std::memcpy(&scale, block, 2);
    const float d = FloatFromHalf(scale);
    for (int i = 0; i < kWeights; ++i) {
      weights[i] = static_cast<float>(((block[2 + i / 4] >> (2 * (i % 4))) & 3) - 1) * d;
    }
  }
};

// 16 bytes with two codes of four bits each, in the order that the four-bit types share.
void PackNibbles(const std::array<uint8_t, 32>& codes, uint8_t* bytes) {
  for (size_t j = 0; j < 16; ++j) bytes[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}
std::array<uint8_t, 32> UnpackNibbles(const uint8_t* bytes) {
  std::array<uint8_t, 32> codes{};
  for (size_t j = 0; j < 16; ++j) {
    codes[j] = bytes[j] & 15;
    codes[j + 16] = static_cast<uint8_t>(bytes[j] >> 4);
  }
  return codes;
}

// q − z + offset: the code of a type whose code `offset` is zero.
std::array<uint8_t, 32> Shifted(const CodedBlock& source, int offset) {
  std::array<uint8_t, 32> codes{};
  for (size_t j = 0; j < 32; ++j) codes[j] = static_cast<uint8_t>(source.codes[j] - source.zero + offset);
  return codes;
}

struct Q4_0 {
  static constexpr int64_t kWeights = 32;

  static void Pack(const CodedBlock& source, uint8_t* block) {
    std::memcpy(block, &source.scale, 2);
    PackNibbles(Shifted(source, 8), block + 2);
  }
  static void Unpack(const uint8_t* block, float* weights) {
    uint16_t scale;
    std::memcpy(&scale, block, 2);
    const float d = FloatFromHalf(scale);
    const std::array<uint8_t, 32> codes = UnpackNibbles(block + 2);
    for (size_t j = 0; j < 32; ++j) weights[j] = static_cast<float>(codes[j] - 8) * d;
  }
};

struct Q4_1 {
  static constexpr int64_t kWeights = 32;

  static uint16_t Offset(const CodedBlock& source) {
    return HalfFromFloat(-static_cast<float>(source.zero) * FloatFromHalf(source.scale));
  }
  static void Pack(const CodedBlock& source, uint8_t* block) {
    const uint16_t offset = Offset(source);
    std::memcpy(block, &source.scale, 2);
    std::memcpy(block + 2, &offset, 2);
    PackNibbles(Shifted({source.codes, source.scale, 0}, 0), block + 4);
  }
  static void Unpack(const uint8_t* block, float* weights) {
    uint16_t scale, offset;
    std::memcpy(&scale, block, 2);
    std::memcpy(&offset, block + 2, 2);
    const float d = FloatFromHalf(scale), m = FloatFromHalf(offset);
    const std::array<uint8_t, 32> codes = UnpackNibbles(block + 4);
    for (size_t j = 0; j < 32; ++j) weights[j] = static_cast<float>(codes[j]) * d + m;
  }
};

struct Q5_0 {
  static constexpr int64_t kWeights = 32;

  static void Pack(const CodedBlock& source, uint8_t* block) {
    const std::array<uint8_t, 32> codes = Shifted(source, 16);
    uint32_t fifth_bits = 0;
    for (size_t j = 0; j < 32; ++j) fifth_bits |= static_cast<uint32_t>(codes[j] >> 4) << j;
    std::memcpy(block, &source.scale, 2);
    std::memcpy(block + 2, &fifth_bits, 4);
    PackNibbles(codes, block + 6);
  }
  static void Unpack(const uint8_t* block, float* weights) {
    uint16_t scale;
    uint32_t fifth_bits;
    std::memcpy(&scale, block, 2);
    std::memcpy(&fifth_bits, block + 2, 4);
    const float d = FloatFromHalf(scale);
    const std::array<uint8_t, 32> codes = UnpackNibbles(block + 6);
    for (size_t j = 0; j < 32; ++j) {
      weights[j] = static_cast<float>(static_cast<int>(codes[j] | (fifth_bits >> j & 1) << 4) - 16) * d;
    }
  }
};

struct Q8_0 {
  static constexpr int64_t kWeights = 32;

  static void Pack(const CodedBlock& source, uint8_t* block) {
    std::memcpy(block, &source.scale, 2);
    const std::array<uint8_t, 32> levels = Shifted(source, 0);  // −1 is 255: two's complement
    std::memcpy(block + 2, levels.data(), levels.size());
  }
  static void Unpack(const uint8_t* block, float* weights) {
    uint16_t scale;
    std::memcpy(&scale, block, 2);
    const float d = FloatFromHalf(scale);
    for (int j = 0; j < 32; ++j) weights[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
  }
};

template <typename Body>
Status WithType(GgmlType type, std::string_view what, const Body& body) {
  switch (type) {
    case GgmlType::kQ2_0:
      return body(Q2_0());
    case GgmlType::kQ4_0:
      return body(Q4_0());
    case GgmlType::kQ4_1:
      return body(Q4_1());
    case GgmlType::kQ5_0:
      return body(Q5_0());
    case GgmlType::kQ8_0:
      return body(Q8_0());
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kBF16:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", TraitsOf(type).name, " has no blocks"));
}

// Levels that a type of 32 weights has.
struct Levels {
  int lowest = 0;
  int highest = 0;
};
Levels LevelsOf(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return {-8, 7};
    case GgmlType::kQ5_0:
      return {-16, 15};
    default:
      return {-128, 127};
  }
}

Status NotHeld(std::string_view what, int64_t group, GgmlType type, std::string_view reason, std::string_view remedy) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": group ", group, " does not fit ", TraitsOf(type).name, ": ", reason, "; ", remedy));
}

// `group` counts over all rows.
Status CheckGroup(const QuantizedLinear& linear, GgmlType type, std::string_view what, int64_t group,
                  const CodedBlock& source) {
  if (type == GgmlType::kQ2_0) {
    if (source.zero == 1 || source.zero == 2) return absl::OkStatus();
    return NotHeld(what, group, type, absl::StrCat("its zero point is ", source.zero, ", not 1 or 2"),
                   "train with middle_zero_points");
  }
  if (type == GgmlType::kQ4_1) {
    if (linear.bits <= 4 && std::isfinite(FloatFromHalf(Q4_1::Offset(source)))) return absl::OkStatus();
    return NotHeld(what, group, type, "zero point times scale is beyond fp16, or a code above 15", "export gguf");
  }
  const Levels levels = LevelsOf(type);
  const uint8_t* codes = source.codes;
  for (int64_t i = 0; i < linear.group_size; ++i) {
    const int level = codes[i] - source.zero;
    if (level >= levels.lowest && level <= levels.highest) continue;
    return NotHeld(what, group, type,
                   absl::StrCat("code ", static_cast<int>(codes[i]), " less zero point ", source.zero, " is ", level,
                                ", outside ", levels.lowest, " to ", levels.highest),
                   "export another format");
  }
  return absl::OkStatus();
}

Status CheckBlockSize(GgmlType type, int64_t multiple_of_it, std::string_view of, std::string_view what) {
  const GgmlTypeTraits& traits = TraitsOf(type);
  if (multiple_of_it > 0 && multiple_of_it % traits.block_weights == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", of, " ", multiple_of_it, ", no multiple of the ",
                                                 traits.block_weights, " weights that a block of ", traits.name,
                                                 " spans"));
}

}  // namespace

StatusOr<HostTensor> PackBlocks(const QuantizedLinear& linear, GgmlType type, std::string_view what,
                                HalfRounding* rounding) {
  LWQ_RETURN_IF_ERROR(CheckBlockSize(type, linear.group_size, "groups of", what));
  LWQ_ASSIGN_OR_RETURN(const HostTensor scales, RoundToF16(linear.scales, absl::StrCat(what, ".scales"), rounding));
  const GgmlTypeTraits& traits = TraitsOf(type);
  const int64_t row_bytes = linear.in_features / traits.block_weights * traits.block_bytes;
  const int64_t groups = linear.out_features * (linear.in_features / linear.group_size);
  const auto* codes = reinterpret_cast<const uint8_t*>(linear.codes.bytes.data());
  const auto* zeros = reinterpret_cast<const uint8_t*>(linear.zeros.bytes.data());
  std::string out(static_cast<size_t>(linear.out_features * row_bytes), '\0');
  auto* block = reinterpret_cast<uint8_t*>(out.data());
  const Status packed = WithType(type, what, [&](auto layout) -> Status {
    using Layout = decltype(layout);
    for (int64_t group = 0; group < groups; ++group) {
      CodedBlock source{.codes = codes + group * linear.group_size, .scale = 0, .zero = zeros[group]};
      std::memcpy(&source.scale, scales.bytes.data() + group * 2, 2);
      LWQ_RETURN_IF_ERROR(CheckGroup(linear, type, what, group, source));
      for (int64_t i = 0; i < linear.group_size; i += Layout::kWeights) {
        Layout::Pack(source, block);
        source.codes += Layout::kWeights;
        block += traits.block_bytes;
      }
    }
    return absl::OkStatus();
  });
  LWQ_RETURN_IF_ERROR(packed);
  return HostTensor{DType::kU8, {linear.out_features, row_bytes}, Bytes::FromString(std::move(out))};
}

StatusOr<HostTensor> UnpackBlocks(const HostTensor& blocks, GgmlType type, int64_t columns, std::string_view what) {
  const GgmlTypeTraits& traits = TraitsOf(type);
  LWQ_RETURN_IF_ERROR(CheckBlockSize(type, columns, "rows of", what));
  const int64_t row_bytes = columns / traits.block_weights * traits.block_bytes;
  const int64_t rows = blocks.shape.empty() ? 0 : blocks.shape[0];
  LWQ_RETURN_IF_ERROR(CheckTensor(blocks, {DType::kU8}, {rows, row_bytes}, what, traits.name));
  LWQ_RETURN_IF_ERROR(ElementCount({rows, columns}).status());
  std::string out(static_cast<size_t>(rows * columns) * sizeof(float), '\0');
  const auto* block = reinterpret_cast<const uint8_t*>(blocks.bytes.data());
  LWQ_RETURN_IF_ERROR(WithType(type, what, [&](auto layout) -> Status {
    using Layout = decltype(layout);
    std::array<float, Layout::kWeights> weights;
    for (size_t at = 0; at < out.size(); at += sizeof(weights), block += traits.block_bytes) {
      Layout::Unpack(block, weights.data());
      std::memcpy(out.data() + at, weights.data(), sizeof(weights));
    }
    return absl::OkStatus();
  }));
  return HostTensor{DType::kF32, {rows, columns}, Bytes::FromString(std::move(out))};
}

}  // namespace lwq::qat
