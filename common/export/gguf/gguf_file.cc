// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/gguf_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/export/gguf/ggml_blocks.h"
#include "common/text/one_line.h"

namespace lwq::qat {

static_assert(std::endian::native == std::endian::little, "numbers are stored as this machine holds them");

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kGgufVersion = 3;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 64;  // llama.cpp's GGML_MAX_NAME
constexpr uint32_t kMaxAlignment = 1 << 20;

template <typename T>
void PutNumber(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void PutString(std::string_view text, std::string& out) {
  PutNumber<uint64_t>(text.size(), out);
  out.append(text);
}

template <typename T>
void Put(const T& value, std::string& out) {
  if constexpr (std::is_same_v<T, std::string>) {
    PutString(value, out);
  } else if constexpr (std::is_same_v<T, bool>) {
    out.push_back(value ? '\1' : '\0');
  } else {
    PutNumber(value, out);
  }
}

void PutArray(const GgufArray& array, std::string& out) {
  PutNumber(static_cast<uint32_t>(array.index()), out);
  std::visit(
      [&out](const auto& elements) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(elements)>, GgufNestedArray>) {
          using Element = typename std::decay_t<decltype(elements)>::value_type;
          PutNumber<uint64_t>(elements.size(), out);
          for (const Element& element : elements) Put<Element>(element, out);
        } else {
          LWQ_CHECK(false, "arrays of arrays are not written");
        }
      },
      array);
}

void PutValue(const GgufValue& value, std::string& out) {
  PutNumber(static_cast<uint32_t>(value.index()), out);
  std::visit(
      [&out](const auto& alternative) {
        if constexpr (std::is_same_v<std::decay_t<decltype(alternative)>, GgufArray>) {
          PutArray(alternative, out);
        } else {
          Put(alternative, out);
        }
      },
      value);
}

// What element types a shape counts, in bytes; nothing where that is beyond an int64.
std::optional<int64_t> BytesOf(const GgmlTypeTraits& type, const std::vector<int64_t>& shape) {
  const auto elements = ElementCount(shape);
  if (!elements.ok()) return std::nullopt;
  const int64_t blocks = *elements / type.block_weights;
  if (blocks > std::numeric_limits<int64_t>::max() / type.block_bytes) return std::nullopt;
  return blocks * type.block_bytes;
}

std::optional<DType> PlainDType(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return DType::kF32;
    case GgmlType::kF16:
      return DType::kF16;
    case GgmlType::kBF16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

}  // namespace

int64_t GgufTensor::bytes() const {
  return BytesOf(TraitsOf(type), shape).value();
}

int64_t GgufPadding(int64_t bytes, int64_t alignment) {
  return (alignment - bytes % alignment) % alignment;
}

std::string GgufHeader(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors) {
  std::string out(kMagic);
  PutNumber(kGgufVersion, out);
  PutNumber<uint64_t>(tensors.size(), out);
  PutNumber<uint64_t>(metadata.size(), out);
  for (const auto& [key, value] : metadata) {
    PutString(key, out);
    PutValue(value, out);
  }
  int64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    PutString(tensor.name, out);
    PutNumber(static_cast<uint32_t>(tensor.shape.size()), out);
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) {
      PutNumber(static_cast<uint64_t>(*size), out);
    }
    PutNumber(static_cast<uint32_t>(tensor.type), out);
    PutNumber(static_cast<uint64_t>(offset), out);
    offset += tensor.bytes() + GgufPadding(tensor.bytes());
  }
  out.append(static_cast<size_t>(GgufPadding(static_cast<int64_t>(out.size()))), '\0');
  return out;
}

// One reading of a file from its beginning.
class GgufParser {
 public:
  GgufParser(Bytes file, std::string_view what) : rest_(file.view()) {
    parsed_.what_ = std::string(what);
    parsed_.file_ = std::move(file);
  }

  StatusOr<GgufFile> Parse() {
    LWQ_RETURN_IF_ERROR(ReadBeginning());
    for (uint64_t i = 0; i < keys_; ++i) LWQ_RETURN_IF_ERROR(ReadKey());
    LWQ_RETURN_IF_ERROR(ReadAlignment());
    for (uint64_t i = 0; i < tensors_; ++i) LWQ_RETURN_IF_ERROR(ReadTensor());
    LWQ_RETURN_IF_ERROR(PlaceTensors());
    return std::move(parsed_);
  }

 private:
  template <typename... Parts>
  Status Damaged(const Parts&... parts) const {
    return absl::DataLossError(absl::StrCat(parsed_.what_, ": ", parts...));
  }
  template <typename... Parts>
  Status NotOurs(const Parts&... parts) const {
    return absl::FailedPreconditionError(absl::StrCat(parsed_.what_, ": ", parts...));
  }
  Status Ends(std::string_view where) const { return Damaged("the file ends in ", where); }
  static std::string Shown(std::string_view text) { return OneLine(text, kMaxNameBytes); }

  template <typename T>
  Status Take(T& value, std::string_view where) {
    if constexpr (std::is_same_v<T, std::string>) {
      return TakeString(value, std::numeric_limits<uint64_t>::max(), where);
    } else {
      if (rest_.size() < sizeof(T)) return Ends(where);
      if constexpr (std::is_same_v<T, bool>) {
        if (static_cast<unsigned char>(rest_[0]) > 1) return Damaged(where, " holds a truth value that is none");
        value = rest_[0] == 1;
      } else {
        std::memcpy(&value, rest_.data(), sizeof(T));
      }
      rest_.remove_prefix(sizeof(T));
      return absl::OkStatus();
    }
  }

  Status TakeString(std::string& text, uint64_t most, std::string_view where) {
    uint64_t length = 0;
    LWQ_RETURN_IF_ERROR(Take(length, where));
    if (length > most) return Damaged(where, " is ", length, " bytes long, more than ", most);
    if (length > rest_.size()) return Ends(where);
    text.assign(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return absl::OkStatus();
  }

  Status ReadBeginning() {
    if (rest_.substr(0, kMagic.size()) != kMagic) return Damaged("is no GGUF file: it does not begin with GGUF");
    rest_.remove_prefix(kMagic.size());
    uint32_t version = 0;
    LWQ_RETURN_IF_ERROR(Take(version, "its version"));
    if (version == 0x03000000u) return NotOurs("is a big-endian GGUF file");
    if (version != kGgufVersion) return NotOurs("is GGUF version ", version, ", not ", kGgufVersion);
    LWQ_RETURN_IF_ERROR(Take(tensors_, "the number of tensors"));
    LWQ_RETURN_IF_ERROR(Take(keys_, "the number of keys"));
    // The least that one of each takes.
    if (keys_ > rest_.size() / 13) return Damaged("says that it has ", keys_, " keys, more than fit into it");
    if (tensors_ > rest_.size() / 32) return Damaged("says that it has ", tensors_, " tensors, more than fit into it");
    return absl::OkStatus();
  }

  Status ReadKey() {
    std::string key;
    LWQ_RETURN_IF_ERROR(TakeString(key, kMaxKeyBytes, "a key"));
    const std::string where = absl::StrCat("key '", Shown(key), "'");
    uint32_t type = 0;
    LWQ_RETURN_IF_ERROR(Take(type, where));
    GgufValue value;
    LWQ_RETURN_IF_ERROR(TakeValue(type, where, value, std::make_index_sequence<std::variant_size_v<GgufValue>>()));
    if (!parsed_.metadata_.emplace(std::move(key), std::move(value)).second) return Damaged(where, " stands twice");
    return absl::OkStatus();
  }

  template <size_t... kTypes>
  Status TakeValue(uint32_t type, std::string_view where, GgufValue& value, std::index_sequence<kTypes...>) {
    Status status = Damaged(where, " is of type ", type, ", which does not exist");
    ((type == kTypes ? void(status = TakeValue<kTypes>(where, value)) : void()), ...);
    return status;
  }
  template <size_t kType>
  Status TakeValue(std::string_view where, GgufValue& value) {
    auto& alternative = value.emplace<kType>();
    if constexpr (std::is_same_v<std::decay_t<decltype(alternative)>, GgufArray>) {
      uint32_t type = 0;
      LWQ_RETURN_IF_ERROR(Take(type, where));
      return TakeArray(type, where, alternative, std::make_index_sequence<std::variant_size_v<GgufArray>>());
    } else {
      return Take(alternative, where);
    }
  }

  template <size_t... kTypes>
  Status TakeArray(uint32_t type, std::string_view where, GgufArray& array, std::index_sequence<kTypes...>) {
    Status status = Damaged(where, " is an array of type ", type, ", which does not exist");
    ((type == kTypes ? void(status = TakeArray<kTypes>(where, array)) : void()), ...);
    return status;
  }
  template <size_t kType>
  Status TakeArray(std::string_view where, GgufArray& array) {
    auto& elements = array.emplace<kType>();
    if constexpr (std::is_same_v<std::decay_t<decltype(elements)>, GgufNestedArray>) {
      return NotOurs(where, " is an array of arrays, which is not read");
    } else {
      using Element = typename std::decay_t<decltype(elements)>::value_type;
      uint64_t count = 0;
      LWQ_RETURN_IF_ERROR(Take(count, where));
      const size_t least = std::is_same_v<Element, std::string> ? sizeof(uint64_t) : sizeof(Element);
      if (count > rest_.size() / least) return Damaged(where, " has ", count, " elements, more than fit into the file");
      elements.reserve(count);
      for (uint64_t i = 0; i < count; ++i) {
        Element element{};
        LWQ_RETURN_IF_ERROR(Take(element, where));
        elements.push_back(std::move(element));
      }
      return absl::OkStatus();
    }
  }

  Status ReadAlignment() {
    const auto found = parsed_.metadata_.find(kAlignmentKey);
    if (found == parsed_.metadata_.end()) return absl::OkStatus();
    const auto* alignment = std::get_if<uint32_t>(&found->second);
    if (alignment == nullptr || !std::has_single_bit(*alignment) || *alignment > kMaxAlignment) {
      return Damaged(kAlignmentKey, " is no power of two up to ", kMaxAlignment, " as a 32-bit number");
    }
    alignment_ = *alignment;
    return absl::OkStatus();
  }

  Status ReadTensor() {
    GgufTensor tensor;
    LWQ_RETURN_IF_ERROR(TakeString(tensor.name, kMaxNameBytes, "a tensor's name"));
    const std::string where = absl::StrCat("tensor '", Shown(tensor.name), "'");
    LWQ_RETURN_IF_ERROR(ReadShape(where, tensor.shape));
    uint32_t number = 0;
    uint64_t offset = 0;
    LWQ_RETURN_IF_ERROR(Take(number, where));
    LWQ_RETURN_IF_ERROR(Take(offset, where));
    const std::optional<GgmlTypeTraits> type = GgmlTypeNumbered(number);
    if (!type.has_value()) return NotOurs(where, " is of ggml's type ", number, ", which is not read");
    tensor.type = type->type;
    if (tensor.shape.back() % type->block_weights != 0) {
      return Damaged(where, " has rows of ", tensor.shape.back(), ", no multiple of a block of ", type->name);
    }
    if (!BytesOf(*type, tensor.shape).has_value()) return Damaged(where, " is larger than any file");
    if (offset % alignment_ != 0) return Damaged(where, " is at offset ", offset, ", not a multiple of ", alignment_);
    if (offset > parsed_.file_.size()) return Damaged(where, " is at offset ", offset, ", behind the end of the file");
    if (!parsed_.index_.emplace(tensor.name, parsed_.tensors_.size()).second) return Damaged(where, " stands twice");
    parsed_.begins_.push_back(static_cast<int64_t>(offset));
    parsed_.tensors_.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  Status ReadShape(std::string_view where, std::vector<int64_t>& shape) {
    uint32_t dimensions = 0;
    LWQ_RETURN_IF_ERROR(Take(dimensions, where));
    if (dimensions < 1 || dimensions > kMaxDimensions) {
      return Damaged(where, " has ", dimensions, " dimensions, not 1 to ", kMaxDimensions);
    }
    for (uint32_t i = 0; i < dimensions; ++i) {
      uint64_t size = 0;
      LWQ_RETURN_IF_ERROR(Take(size, where));
      if (size < 1 || size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Damaged(where, " has a dimension of ", size);
      }
      shape.insert(shape.begin(), static_cast<int64_t>(size));
    }
    if (!ElementCount(shape).ok()) return Damaged(where, " has more elements than any file");
    return absl::OkStatus();
  }

  // Offsets count from where the data begins, which is known only now.
  Status PlaceTensors() {
    const auto file_bytes = static_cast<int64_t>(parsed_.file_.size());
    const int64_t header_bytes = file_bytes - static_cast<int64_t>(rest_.size());
    const int64_t data_begin = header_bytes + GgufPadding(header_bytes, alignment_);
    std::vector<size_t> order(parsed_.tensors_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [this](size_t a, size_t b) { return parsed_.begins_[a] < parsed_.begins_[b]; });
    int64_t free_from = data_begin;
    for (const size_t i : order) {
      const std::string where = absl::StrCat("tensor '", Shown(parsed_.tensors_[i].name), "'");
      const int64_t begin = parsed_.begins_[i] += data_begin;
      const int64_t bytes = parsed_.tensors_[i].bytes();
      if (begin < free_from) return Damaged(where, " overlaps another");
      if (begin > file_bytes || bytes > file_bytes - begin) return Damaged("the file ends before the end of ", where);
      free_from = begin + bytes;
    }
    return absl::OkStatus();
  }

  std::string_view rest_;
  uint64_t tensors_ = 0;
  uint64_t keys_ = 0;
  int64_t alignment_ = kGgufAlignment;
  GgufFile parsed_;
};

StatusOr<GgufFile> GgufFile::Parse(Bytes file, std::string_view what) {
  return GgufParser(std::move(file), what).Parse();
}

StatusOr<size_t> GgufFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return absl::NotFoundError(absl::StrCat(what_, " has no tensor ", name));
  return found->second;
}

StatusOr<HostTensor> GgufFile::Read(std::string_view name) const {
  LWQ_ASSIGN_OR_RETURN(const size_t index, Find(name));
  const GgufTensor& tensor = tensors_[index];
  const int64_t bytes = tensor.bytes();
  HostTensor read{DType::kU8, tensor.shape,
                  file_.Slice(static_cast<size_t>(begins_[index]), static_cast<size_t>(bytes))};
  if (const std::optional<DType> dtype = PlainDType(tensor.type)) {
    read.dtype = *dtype;
  } else {
    const int64_t columns = tensor.shape.back();
    const int64_t row_bytes = columns / TraitsOf(tensor.type).block_weights * TraitsOf(tensor.type).block_bytes;
    read.shape = {bytes / row_bytes, row_bytes};
  }
  return read;
}

StatusOr<HostTensor> GgufFile::Weights(std::string_view name) const {
  LWQ_ASSIGN_OR_RETURN(const size_t index, Find(name));
  LWQ_ASSIGN_OR_RETURN(HostTensor stored, Read(name));
  const GgufTensor& tensor = tensors_[index];
  const std::string where = absl::StrCat(what_, ": tensor ", name);
  if (TraitsOf(tensor.type).is_plain()) return ToF32(stored, where);
  LWQ_ASSIGN_OR_RETURN(HostTensor weights, UnpackBlocks(stored, tensor.type, tensor.shape.back(), where));
  weights.shape = tensor.shape;
  return weights;
}

}  // namespace lwq::qat
