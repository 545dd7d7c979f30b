// SPDX-License-Identifier: Apache-2.0
#include "common/parquet/thrift_value.h"

#include <utility>

namespace lwq {
namespace {

constexpr int kMaxDepth = 16;

// The compact protocol's numbers of types.
enum ThriftType {
  kStop = 0,
  kTrue,
  kFalse,
  kByte,
  kI16,
  kI32,
  kI64,
  kDouble,
  kBinary,
  kListType,
  kSet,
  kMap,
  kStructType
};

Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("its metadata is damaged: ", what));
}

class CompactReader {
 public:
  explicit CompactReader(std::string_view bytes) : bytes_(bytes) {}

  size_t used_bytes() const { return at_; }

  StatusOr<ThriftValue> Struct(int depth) {
    if (depth > kMaxDepth) return Damaged("too deep");
    ThriftValue value;
    value.kind = ThriftValue::Kind::kStruct;
    int id = 0;
    while (true) {
      LWQ_ASSIGN_OR_RETURN(const uint8_t head, Byte());
      if (head == kStop) return value;
      if (head >> 4 != 0) {
        id += head >> 4;
      } else {
        LWQ_ASSIGN_OR_RETURN(const int64_t stated, ZigZag());
        id = static_cast<int>(stated);
      }
      const int type = head & 15;
      if (type == kTrue || type == kFalse) {
        value.fields.push_back({id, {}});
        value.fields.back().value.number = type == kTrue ? 1 : 0;
        continue;
      }
      LWQ_ASSIGN_OR_RETURN(ThriftValue field, Value(type, depth));
      value.fields.push_back({id, std::move(field)});
    }
  }

 private:
  StatusOr<uint8_t> Byte() {
    if (at_ >= bytes_.size()) return Damaged("it ends too early");
    return static_cast<uint8_t>(bytes_[at_++]);
  }

  StatusOr<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      LWQ_ASSIGN_OR_RETURN(const uint8_t byte, Byte());
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return Damaged("a number without an end");
  }

  StatusOr<int64_t> ZigZag() {
    LWQ_ASSIGN_OR_RETURN(const uint64_t value, Varint());
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }

  StatusOr<std::string_view> Take(uint64_t size) {
    if (size > bytes_.size() - at_) return Damaged("it ends too early");
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  StatusOr<ThriftValue> Value(int type, int depth) {
    ThriftValue value;
    switch (type) {
      case kTrue:  // in a list
      case kFalse:
      case kByte: {
        LWQ_ASSIGN_OR_RETURN(value.number, Byte());
        return value;
      }
      case kI16:
      case kI32:
      case kI64: {
        LWQ_ASSIGN_OR_RETURN(value.number, ZigZag());
        return value;
      }
      case kDouble:
        value.kind = ThriftValue::Kind::kReal;
        LWQ_RETURN_IF_ERROR(Take(8));
        return value;
      case kBinary: {
        value.kind = ThriftValue::Kind::kText;
        LWQ_ASSIGN_OR_RETURN(const uint64_t size, Varint());
        LWQ_ASSIGN_OR_RETURN(value.text, Take(size));
        return value;
      }
      case kListType:
      case kSet:
        return List(depth);
      case kStructType:
        return Struct(depth + 1);
      default:
        return Damaged("a value of a kind that Parquet does not have");
    }
  }

  StatusOr<ThriftValue> List(int depth) {
    ThriftValue value;
    value.kind = ThriftValue::Kind::kList;
    LWQ_ASSIGN_OR_RETURN(const uint8_t head, Byte());
    uint64_t size = head >> 4;
    if (size == 15) {
      LWQ_ASSIGN_OR_RETURN(size, Varint());
    }
    if (size > bytes_.size() - at_) return Damaged("a list longer than the rest");  // each item takes a byte at least
    for (uint64_t i = 0; i < size; ++i) {
      LWQ_ASSIGN_OR_RETURN(ThriftValue item, Value(head & 15, depth + 1));
      value.items.push_back(std::move(item));
    }
    return value;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace

const ThriftValue* ThriftValue::Field(int id) const {
  for (const ThriftField& field : fields) {
    if (field.id == id) return &field.value;
  }
  return nullptr;
}

int64_t ThriftValue::NumberOf(int id, int64_t otherwise) const {
  const ThriftValue* field = Field(id);
  return field != nullptr && field->kind == Kind::kNumber ? field->number : otherwise;
}

const std::vector<ThriftValue>& ThriftValue::ItemsOf(int id) const {
  static const auto* const kNone = new std::vector<ThriftValue>();
  const ThriftValue* field = Field(id);
  return field != nullptr ? field->items : *kNone;
}

StatusOr<ThriftValue> ReadThriftStruct(std::string_view bytes, size_t* used_bytes) {
  CompactReader reader(bytes);
  LWQ_ASSIGN_OR_RETURN(ThriftValue value, reader.Struct(0));
  *used_bytes = reader.used_bytes();
  return value;
}

}  // namespace lwq
