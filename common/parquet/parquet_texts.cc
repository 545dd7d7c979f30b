// SPDX-License-Identifier: Apache-2.0
#include "common/parquet/parquet_texts.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "common/documents/gzip.h"
#include "common/parquet/snappy.h"
#include "common/parquet/thrift_value.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr int64_t kMaxPageBytes = int64_t{1} << 30;
constexpr int64_t kMaxColumnBytes = int64_t{8} << 30;

// Numbers of the format's own tables.
enum PageType { kDataPage = 0, kDictionaryPage = 2, kDataPageV2 = 3 };
enum ColumnEncoding { kPlain = 0, kPlainDictionary = 2, kRle = 3, kRleDictionary = 8 };
constexpr int64_t kByteArray = 6;
constexpr int64_t kRequired = 0;
constexpr int64_t kOptional = 1;

std::string CodecName(int64_t codec) {
  constexpr std::array<const char*, 8> kNames = {"none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"};
  return codec >= 0 && codec < std::ssize(kNames) ? kNames[static_cast<size_t>(codec)] : absl::StrCat("codec ", codec);
}

Status NotRead(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, " is not read here"));
}

Status DamagedPage(std::string_view what) {
  return absl::DataLossError(absl::StrCat("a damaged page: ", what));
}

uint32_t Little32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

StatusOr<std::string> UnpackPage(int64_t codec, std::string_view bytes, int64_t size_bytes) {
  StatusOr<std::string> unpacked = std::string();
  if (codec == 0) unpacked = std::string(bytes);
  if (codec == 1) unpacked = Unsnappy(bytes, size_bytes);
  if (codec == 2) unpacked = Gunzip(bytes, size_bytes, "a page");
  if (!unpacked.ok()) return DamagedPage(MessageOf(unpacked.status()));
  if (static_cast<int64_t>(unpacked->size()) != size_bytes) return DamagedPage("another size than it states");
  return unpacked;
}

// `count` numbers of `bit_width` bits in runs of equal ones and of packed ones, each handed to `take`.
Status ReadRuns(std::string_view bytes, int bit_width, int64_t count, const std::function<Status(uint32_t)>& take) {
  if (bit_width < 0 || bit_width > 32) return DamagedPage("numbers of more than 32 bits");
  size_t at = 0;
  while (count > 0) {
    uint64_t head = 0;
    for (int shift = 0;; shift += 7) {
      if (at >= bytes.size() || shift > 35) return DamagedPage("runs that end too early");
      const auto byte = static_cast<uint8_t>(bytes[at++]);
      head |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) break;
    }
    const bool is_packed = (head & 1) != 0;
    const uint64_t length = head >> 1;  // values of a run, groups of eight values of a packed one
    const uint64_t run_bytes =
        is_packed ? length * static_cast<uint64_t>(bit_width) : (static_cast<uint64_t>(bit_width) + 7) / 8;
    if (length == 0 || run_bytes > bytes.size() - at) return DamagedPage("runs that end too early");
    const std::string_view run = bytes.substr(at, run_bytes);
    at += run_bytes;
    const auto values =
        static_cast<int64_t>(std::min<uint64_t>(is_packed ? length * 8 : length, static_cast<uint64_t>(count)));
    for (int64_t i = 0; i < values; ++i) {
      uint64_t value = 0;
      const size_t first_bit = is_packed ? static_cast<size_t>(i) * static_cast<size_t>(bit_width) : 0;
      for (int bit = 0; bit < bit_width; ++bit) {
        const size_t place = first_bit + static_cast<size_t>(bit);
        value |= static_cast<uint64_t>((static_cast<uint8_t>(run[place / 8]) >> (place % 8)) & 1) << bit;
      }
      LWQ_RETURN_IF_ERROR(take(static_cast<uint32_t>(value)));
    }
    count -= values;
  }
  return absl::OkStatus();
}

// `count` texts, each behind its length.
Status ReadPlainTexts(std::string_view bytes, int64_t count, std::vector<std::string>* texts) {
  for (int64_t i = 0; i < count; ++i) {
    if (bytes.size() < 4) return DamagedPage("texts that end too early");
    const size_t length = Little32(bytes);
    if (length > bytes.size() - 4) return DamagedPage("texts that end too early");
    texts->emplace_back(bytes.substr(4, length));
    bytes.remove_prefix(4 + length);
  }
  return absl::OkStatus();
}

// What a page holds, unpacked.
struct Page {
  int64_t values = 0;
  int64_t encoding = -1;
  std::string_view levels;  // whether each value is there; empty where all are
  std::string_view data;
};

// Reads one column of one row group after the other.
class TextColumn {
 public:
  TextColumn(std::string_view file, bool is_optional) : file_(file), is_optional_(is_optional) {}

  Status ReadChunk(const ThriftValue& chunk) {
    codec_ = chunk.NumberOf(4, -1);
    if (codec_ < 0 || codec_ > 2) return NotRead(absl::StrCat("a column packed by ", CodecName(codec_)));
    dictionary_.clear();
    int64_t left = chunk.NumberOf(5, -1);
    const int64_t dictionary_at = chunk.NumberOf(11, 0);
    int64_t at = chunk.NumberOf(9, -1);
    if (dictionary_at > 0) at = std::min(at, dictionary_at);
    if (left < 0 || at < 4) return DamagedPage("a column without a place");
    while (left > 0) {
      LWQ_ASSIGN_OR_RETURN(const int64_t values, ReadPage(&at));
      if (values > left) return DamagedPage("more values than the column has");
      left -= values;
    }
    return absl::OkStatus();
  }

  std::vector<std::string> TakeTexts() { return std::move(texts_); }

 private:
  // The number of the column's values in it; 0 for a dictionary.
  StatusOr<int64_t> ReadPage(int64_t* at) {
    if (*at >= std::ssize(file_)) return DamagedPage("it begins behind the file's end");
    size_t head_bytes = 0;
    LWQ_ASSIGN_OR_RETURN(const ThriftValue head, ReadThriftStruct(file_.substr(static_cast<size_t>(*at)), &head_bytes));
    const int64_t unpacked_bytes = head.NumberOf(2, -1);
    const int64_t packed_bytes = head.NumberOf(3, -1);
    const int64_t begin = *at + static_cast<int64_t>(head_bytes);
    if (packed_bytes < 0 || packed_bytes > std::ssize(file_) - begin || unpacked_bytes < 0 ||
        unpacked_bytes > kMaxPageBytes) {
      return DamagedPage("it does not fit the file");
    }
    const std::string_view packed = file_.substr(static_cast<size_t>(begin), static_cast<size_t>(packed_bytes));
    *at = begin + packed_bytes;
    switch (head.NumberOf(1, -1)) {
      case kDictionaryPage: {
        const ThriftValue* dictionary = head.Field(7);
        if (dictionary == nullptr || !dictionary_.empty()) return DamagedPage("a dictionary too many");
        LWQ_ASSIGN_OR_RETURN(const std::string data, UnpackPage(codec_, packed, unpacked_bytes));
        LWQ_RETURN_IF_ERROR(ReadPlainTexts(data, dictionary->NumberOf(1, 0), &dictionary_));
        return 0;
      }
      case kDataPage:
        return ReadPageV1(head, packed, unpacked_bytes);
      case kDataPageV2:
        return ReadPageV2(head, packed, unpacked_bytes);
      default:
        return 0;  // an index page
    }
  }

  StatusOr<int64_t> ReadPageV1(const ThriftValue& head, std::string_view packed, int64_t unpacked_bytes) {
    const ThriftValue* of_data = head.Field(5);
    if (of_data == nullptr) return DamagedPage("no head");
    LWQ_ASSIGN_OR_RETURN(const std::string data, UnpackPage(codec_, packed, unpacked_bytes));
    Page page{of_data->NumberOf(1, -1), of_data->NumberOf(2, -1), "", data};
    if (is_optional_) {
      if (of_data->NumberOf(3, -1) != kRle) return NotRead("a column with levels that are not RLE");
      if (data.size() < 4 || Little32(data) > data.size() - 4) return DamagedPage("levels that end too early");
      page.levels = page.data.substr(4, Little32(data));
      page.data.remove_prefix(4 + page.levels.size());
    }
    return ReadValues(page);
  }

  StatusOr<int64_t> ReadPageV2(const ThriftValue& head, std::string_view packed, int64_t unpacked_bytes) {
    const ThriftValue* of_data = head.Field(8);
    if (of_data == nullptr) return DamagedPage("no head");
    const int64_t level_bytes = of_data->NumberOf(5, -1);
    if (of_data->NumberOf(6, 0) != 0 || level_bytes < 0 || level_bytes > std::ssize(packed)) {
      return DamagedPage("levels that do not fit");
    }
    // The levels are never packed; the values are, unless the page says that they are not.
    const std::string_view values = packed.substr(static_cast<size_t>(level_bytes));
    const bool is_packed = of_data->NumberOf(7, 1) != 0;
    if (unpacked_bytes < level_bytes) return DamagedPage("levels that do not fit");
    LWQ_ASSIGN_OR_RETURN(const std::string data,
                         UnpackPage(is_packed ? codec_ : 0, values, unpacked_bytes - level_bytes));
    return ReadValues({of_data->NumberOf(1, -1), of_data->NumberOf(4, -1),
                       is_optional_ ? packed.substr(0, static_cast<size_t>(level_bytes)) : std::string_view(), data});
  }

  StatusOr<int64_t> ReadValues(const Page& page) {
    if (page.values < 0) return DamagedPage("no number of values");
    if (is_optional_) {
      LWQ_RETURN_IF_ERROR(ReadRuns(page.levels, 1, page.values, [&](uint32_t is_there) -> Status {
        return is_there != 0 ? absl::OkStatus() : NotRead("a column with rows that have no text");
      }));
    }
    const size_t before = texts_.size();
    if (page.encoding == kPlain) {
      LWQ_RETURN_IF_ERROR(ReadPlainTexts(page.data, page.values, &texts_));
    } else if (page.encoding == kPlainDictionary || page.encoding == kRleDictionary) {
      if (page.values > 0 && page.data.empty()) return DamagedPage("no values");
      const int bit_width = page.data.empty() ? 0 : static_cast<uint8_t>(page.data.front());
      LWQ_RETURN_IF_ERROR(ReadRuns(page.data.substr(std::min<size_t>(1, page.data.size())), bit_width, page.values,
                                   [&](uint32_t place) -> Status {
                                     if (place >= dictionary_.size()) return DamagedPage("a word that it has not");
                                     texts_.push_back(dictionary_[place]);
                                     return absl::OkStatus();
                                   }));
    } else {
      return NotRead(absl::StrCat("a column in encoding ", page.encoding));
    }
    for (size_t i = before; i < texts_.size(); ++i) text_bytes_ += static_cast<int64_t>(texts_[i].size());
    if (text_bytes_ > kMaxColumnBytes)
      return NotRead(absl::StrCat("a column of more than ", kMaxColumnBytes, " bytes"));
    return page.values;
  }

  const std::string_view file_;
  const bool is_optional_;
  int64_t codec_ = 0;
  std::vector<std::string> dictionary_;
  std::vector<std::string> texts_;
  int64_t text_bytes_ = 0;
};

StatusOr<ThriftValue> ReadFooter(std::string_view file) {
  const size_t ends = kMagic.size();
  if (file.size() < 2 * ends + 4 || !file.starts_with(kMagic) || !file.ends_with(kMagic)) {
    return absl::InvalidArgumentError("is no Parquet file, or not a whole one");
  }
  const size_t length = Little32(file.substr(file.size() - ends - 4));
  if (length > file.size() - 2 * ends - 4) return absl::DataLossError("its metadata is damaged: longer than the file");
  size_t used_bytes = 0;
  return ReadThriftStruct(file.substr(file.size() - ends - 4 - length, length), &used_bytes);
}

// How many elements of the schema the one at `at` is with all below it; 0 where they are not all there.
size_t SubtreeSize(const std::vector<ThriftValue>& schema, size_t at) {
  size_t end = at + 1;
  int64_t open = 1;
  for (size_t i = at; open > 0; ++i) {
    if (i >= schema.size()) return 0;
    open += schema[i].NumberOf(5, 0) - 1;
    end = i + 1;
  }
  return end - at;
}

// The element of a column at the top of the schema.
StatusOr<const ThriftValue*> FindColumn(const std::vector<ThriftValue>& schema, std::string_view column) {
  std::string names;
  for (size_t at = 1; at < schema.size();) {
    const ThriftValue* name = schema[at].Field(4);
    if (name != nullptr && name->text == column) return &schema[at];
    if (name != nullptr) absl::StrAppend(&names, names.empty() ? "" : ", ", OneLine(name->text, 60));
    const size_t size = SubtreeSize(schema, at);
    if (size == 0) return absl::DataLossError("its metadata is damaged: a schema that is not whole");
    at += size;
  }
  return absl::InvalidArgumentError(absl::StrCat("has no column ", column, "; its columns are ", OneLine(names, 300)));
}

bool IsChunkOf(const ThriftValue& metadata, std::string_view column) {
  const std::vector<ThriftValue>& path = metadata.ItemsOf(3);
  return path.size() == 1 && path.front().text == column;
}

StatusOr<std::vector<std::string>> ReadColumn(std::string_view file, std::string_view column) {
  LWQ_ASSIGN_OR_RETURN(const ThriftValue footer, ReadFooter(file));
  LWQ_ASSIGN_OR_RETURN(const ThriftValue* element, FindColumn(footer.ItemsOf(2), column));
  const int64_t repetition = element->NumberOf(3, -1);
  if (element->NumberOf(1, -1) != kByteArray || element->NumberOf(5, 0) != 0 ||
      (repetition != kRequired && repetition != kOptional)) {
    return NotRead(absl::StrCat("column ", column, ", which is not one of texts,"));
  }
  if (footer.Field(4) == nullptr) return absl::DataLossError("its metadata is damaged: no rows are listed");
  TextColumn texts(file, repetition == kOptional);
  for (const ThriftValue& group : footer.ItemsOf(4)) {
    bool found = false;
    for (const ThriftValue& chunk : group.ItemsOf(1)) {
      const ThriftValue* metadata = chunk.Field(3);
      if (found || metadata == nullptr || !IsChunkOf(*metadata, column)) continue;
      found = true;
      LWQ_RETURN_IF_ERROR(texts.ReadChunk(*metadata));
    }
    if (!found) return absl::DataLossError("its metadata is damaged: rows without the column");
  }
  std::vector<std::string> all = texts.TakeTexts();
  if (std::ssize(all) != footer.NumberOf(3, -1))
    return absl::DataLossError("it has another number of rows than it states");
  return all;
}

}  // namespace

StatusOr<std::vector<std::string>> ReadParquetTexts(std::string_view what, std::string_view file,
                                                    std::string_view column) {
  StatusOr<std::vector<std::string>> texts = ReadColumn(file, column);
  if (!texts.ok()) return Annotate(texts.status(), what);
  return texts;
}

}  // namespace lwq
