// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "common/artifact/foreign_file.h"
#include "common/json/json.h"

namespace lwq {
namespace {

constexpr int64_t kLengthBytes = 8;
constexpr size_t kDataAlignmentBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

Status DamagedFile(std::string_view what, std::string_view reason) {
  return absl::DataLossError(absl::StrCat(what, " is not a valid safetensors file: ", reason));
}

Status DamagedTensor(std::string_view what, std::string_view name, std::string_view reason) {
  return DamagedFile(what, absl::StrCat("tensor '", name.substr(0, 200), "' ", reason));
}

// The dtypes of safetensors 0.8 beside those of DType.
struct OtherDType {
  std::string_view name;
  int bits;
};
constexpr OtherDType kOtherDTypes[] = {{"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},
                                       {"F8_E5M2", 8},     {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                                       {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"U32", 32},
                                       {"C64", 64},        {"U64", 64}};

// What `elements` of this dtype take, as ElementCount allows; nothing for a name that nobody knows. −1 where they do
// not end at a byte.
std::optional<int64_t> BytesOf(std::string_view dtype, int64_t elements) {
  if (const StatusOr<DType> known = ParseDType(dtype); known.ok()) return elements * DTypeBytes(*known);
  for (const OtherDType& other : kOtherDTypes) {
    if (other.name != dtype) continue;
    if (other.bits >= 8) return elements * (other.bits / 8);
    return elements * other.bits % 8 == 0 ? elements * other.bits / 8 : -1;
  }
  return std::nullopt;
}

// The non-negative integers of array object[key].
StatusOr<std::vector<int64_t>> IntegerArray(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return absl::DataLossError(absl::StrCat("has no array '", key, "'"));
  std::vector<int64_t> values;
  values.reserve(it->size());
  for (const Json& item : *it) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
      return absl::DataLossError(absl::StrCat("has an entry in '", key, "' that is not a non-negative 64-bit integer"));
    }
    values.push_back(item.get<int64_t>());
  }
  return values;
}

StatusOr<SafetensorsEntry> ParseEntry(const Json& value, const std::string& name, int64_t data_begin_bytes,
                                      int64_t data_bytes, std::string_view what) {
  if (!value.is_object()) return DamagedTensor(what, name, "is not described by an object");
  const auto dtype_name = value.find("dtype");
  if (dtype_name == value.end() || !dtype_name->is_string()) return DamagedTensor(what, name, "has no dtype");
  StatusOr<std::vector<int64_t>> shape = IntegerArray(value, "shape");
  if (!shape.ok()) return DamagedTensor(what, name, MessageOf(shape.status()));
  const StatusOr<std::vector<int64_t>> offsets = IntegerArray(value, "data_offsets");
  if (!offsets.ok()) return DamagedTensor(what, name, MessageOf(offsets.status()));
  if (offsets->size() != 2) return DamagedTensor(what, name, "has data_offsets that are not a pair");
  const int64_t begin = (*offsets)[0];
  const int64_t end = (*offsets)[1];
  if (begin > end) return DamagedTensor(what, name, absl::StrCat("ends at ", end, ", before it begins at ", begin));
  if (end > data_bytes) {
    return DamagedTensor(
        what, name,
        absl::StrCat("ends at ", end, ", behind the ", data_bytes, " bytes of data in the file (truncated?)"));
  }
  const StatusOr<int64_t> elements = ElementCount(*shape);
  if (!elements.ok()) {
    return DamagedTensor(what, name, absl::StrCat("has an impossible shape: ", MessageOf(elements.status())));
  }
  const std::string& dtype = dtype_name->get_ref<const std::string&>();
  const std::optional<int64_t> bytes = BytesOf(dtype, *elements);
  if (bytes == -1) return DamagedTensor(what, name, absl::StrCat("of dtype ", dtype, " does not end at a whole byte"));
  if (bytes.has_value() && *bytes != end - begin) {
    return DamagedTensor(what, name, absl::StrCat("needs ", *bytes, " bytes by its shape and has ", end - begin));
  }
  SafetensorsEntry entry{
      .shape = std::move(*shape), .begin_bytes = data_begin_bytes + begin, .end_bytes = data_begin_bytes + end};
  if (const StatusOr<DType> known = ParseDType(dtype); known.ok()) {
    entry.dtype = *known;
  } else {
    entry.other_dtype = dtype.substr(0, 80);
  }
  return entry;
}

Status ParseMetadata(const Json& value, std::string_view what, std::map<std::string, std::string>& metadata) {
  if (!value.is_object()) return DamagedFile(what, "__metadata__ is not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return DamagedFile(what, absl::StrCat("__metadata__ '", key.substr(0, 80), "' is not a string"));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return absl::OkStatus();
}

// Tensors must tile the data section: no overlap, no hole, nothing behind the last.
Status CheckTiling(const SafetensorsHeader& header, int64_t file_bytes, std::string_view what) {
  using Named = std::pair<const std::string, SafetensorsEntry>;
  std::vector<const Named*> by_begin;
  for (const Named& named : header.tensors) by_begin.push_back(&named);
  std::sort(by_begin.begin(), by_begin.end(), [](const Named* a, const Named* b) {
    return std::pair(a->second.begin_bytes, a->second.end_bytes) <
           std::pair(b->second.begin_bytes, b->second.end_bytes);
  });
  int64_t end_bytes = header.data_begin_bytes;
  const std::string* previous = nullptr;
  for (const Named* named : by_begin) {
    if (named->second.begin_bytes < end_bytes) {
      return DamagedTensor(what, named->first, absl::StrCat("overlaps tensor '", previous->substr(0, 200), "'"));
    }
    if (named->second.begin_bytes > end_bytes) {
      return DamagedTensor(
          what, named->first,
          absl::StrCat("leaves a hole of ", named->second.begin_bytes - end_bytes, " bytes before it"));
    }
    end_bytes = named->second.end_bytes;
    previous = &named->first;
  }
  if (end_bytes != file_bytes) {
    return DamagedFile(what, absl::StrCat("holds ", file_bytes - end_bytes, " bytes behind its last tensor"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<int64_t> ParseSafetensorsHeaderBytes(std::string_view beginning, int64_t file_bytes, std::string_view what) {
  if (file_bytes < kLengthBytes || beginning.size() < kLengthBytes) {
    return DamagedFile(what, absl::StrCat("it is only ", file_bytes, " bytes long"));
  }
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | static_cast<uint8_t>(beginning[i]);
  if (length > static_cast<uint64_t>(file_bytes - kLengthBytes)) {
    if (const std::string foreign = ForeignContent(beginning); !foreign.empty()) {
      return absl::DataLossError(absl::StrCat(what, " ", foreign));
    }
  }
  if (length > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes)) {
    return DamagedFile(what, absl::StrCat("its header claims ", length, " bytes; at most ", kMaxSafetensorsHeaderBytes,
                                          " are allowed"));
  }
  if (static_cast<int64_t>(length) > file_bytes - kLengthBytes) {
    return DamagedFile(
        what, absl::StrCat("its header claims ", length, " bytes, the file has ", file_bytes, " in all (truncated?)"));
  }
  return static_cast<int64_t>(length);
}

StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, int64_t file_bytes, std::string_view what) {
  SafetensorsHeader header;
  header.data_begin_bytes = kLengthBytes + static_cast<int64_t>(json.size());
  const int64_t data_bytes = file_bytes - header.data_begin_bytes;
  if (data_bytes < 0) return DamagedFile(what, "it is shorter than its header");
  const StatusOr<Json> parsed = ParseJson(json, "header", DuplicateKeys::kRefuse);
  if (!parsed.ok()) return DamagedFile(what, MessageOf(parsed.status()));
  if (!parsed->is_object()) return DamagedFile(what, "its header is not a JSON object");
  for (const auto& [name, value] : parsed->items()) {
    if (name == kMetadataKey) {
      LWQ_RETURN_IF_ERROR(ParseMetadata(value, what, header.metadata));
    } else {
      LWQ_ASSIGN_OR_RETURN(SafetensorsEntry entry, ParseEntry(value, name, header.data_begin_bytes, data_bytes, what));
      header.tensors.emplace(name, std::move(entry));
    }
  }
  LWQ_RETURN_IF_ERROR(CheckTiling(header, file_bytes, what));
  return header;
}

Status CheckReadable(const SafetensorsEntry& entry, std::string_view name) {
  if (entry.other_dtype.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("tensor '", name, "': dtype '", entry.other_dtype,
                                                    "' is not supported; convert the weights to F32, F16 or BF16"));
}

StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  LWQ_ASSIGN_OR_RETURN(Bytes file, Bytes::MapFile(path));
  return Parse(std::move(file), path);
}

StatusOr<SafetensorsFile> SafetensorsFile::Parse(Bytes file, std::string_view what) {
  SafetensorsFile parsed;
  const int64_t file_bytes = static_cast<int64_t>(file.size());
  LWQ_ASSIGN_OR_RETURN(const int64_t header_bytes,
                       ParseSafetensorsHeaderBytes(file.view().substr(0, kForeignBytes), file_bytes, what));
  const std::string_view json = file.view().substr(kLengthBytes, static_cast<size_t>(header_bytes));
  LWQ_ASSIGN_OR_RETURN(parsed.header_, ParseSafetensorsHeader(json, file_bytes, what));
  parsed.what_ = std::string(what);
  parsed.file_ = std::move(file);
  return parsed;
}

bool SafetensorsFile::Contains(std::string_view name) const {
  return header_.tensors.count(std::string(name)) > 0;
}

StatusOr<HostTensor> SafetensorsFile::Get(std::string_view name) const {
  const auto it = header_.tensors.find(std::string(name));
  if (it == header_.tensors.end()) return absl::NotFoundError(absl::StrCat("tensor '", name, "' is not in ", what_));
  const SafetensorsEntry& entry = it->second;
  if (const Status readable = CheckReadable(entry, name); !readable.ok()) return Annotate(readable, what_);
  return HostTensor{
      entry.dtype, entry.shape,
      file_.Slice(static_cast<size_t>(entry.begin_bytes), static_cast<size_t>(entry.end_bytes - entry.begin_bytes))};
}

StatusOr<std::string> SerializeSafetensors(const std::map<std::string, HostTensor>& tensors,
                                           const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  size_t data_bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    if (name == kMetadataKey) return absl::InvalidArgumentError("a tensor may not be named __metadata__");
    const StatusOr<int64_t> elements = ElementCount(tensor.shape);
    if (!elements.ok()) return Annotate(elements.status(), absl::StrCat("tensor '", name, "'"));
    const int64_t expected_bytes = *elements * DTypeBytes(tensor.dtype);
    if (expected_bytes != static_cast<int64_t>(tensor.bytes.size())) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "' needs ", expected_bytes,
                                                     " bytes by its shape and has ", tensor.bytes.size()));
    }
    header[name] = {{"dtype", DTypeName(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"data_offsets", {data_bytes, data_bytes + tensor.bytes.size()}}};
    data_bytes += tensor.bytes.size();
  }
  std::string json = CanonicalJson(header);
  json.append((kDataAlignmentBytes - json.size() % kDataAlignmentBytes) % kDataAlignmentBytes, ' ');
  std::string file;
  file.reserve(kLengthBytes + json.size() + data_bytes);
  for (int i = 0; i < kLengthBytes; ++i) {
    file.push_back(static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * i) & 0xff));
  }
  file += json;
  for (const auto& [name, tensor] : tensors) file.append(tensor.bytes.view());
  return file;
}

}  // namespace lwq
