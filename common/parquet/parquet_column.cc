// SPDX-License-Identifier: Apache-2.0
#include "common/parquet/parquet_column.h"

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
constexpr int64_t kMaxColumnValues = int64_t{1} << 26;  // a few bytes can state any number of equal ones

// Numbers of the format's own tables.
enum PageType { kDataPage = 0, kDictionaryPage = 2, kDataPageV2 = 3 };
enum ColumnEncoding { kPlain = 0, kPlainDictionary = 2, kRle = 3, kRleDictionary = 8 };
constexpr int64_t kBoolean = 0;
constexpr int64_t kInt32 = 1;
constexpr int64_t kInt64 = 2;
constexpr int64_t kByteArray = 6;
constexpr int64_t kRequired = 0;
constexpr int64_t kRepeated = 2;

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

// `count` whole numbers of so many bytes, two's complement.
Status ReadPlainNumbers(std::string_view bytes, int64_t count, size_t number_bytes, std::vector<int64_t>* numbers) {
  for (int64_t i = 0; i < count; ++i) {
    if (bytes.size() < number_bytes) return DamagedPage("numbers that end too early");
    const uint64_t low = Little32(bytes);
    numbers->push_back(number_bytes == 4 ? static_cast<int32_t>(low)
                                         : static_cast<int64_t>(uint64_t{Little32(bytes.substr(4))} << 32 | low));
    bytes.remove_prefix(number_bytes);
  }
  return absl::OkStatus();
}

// `count` truth values, eight a byte from the lowest bit on.
Status ReadPlainBits(std::string_view bytes, int64_t count, std::vector<int64_t>* numbers) {
  if (count > std::ssize(bytes) * 8) return DamagedPage("values that end too early");
  for (int64_t i = 0; i < count; ++i) {
    numbers->push_back(static_cast<uint8_t>(bytes[static_cast<size_t>(i / 8)]) >> (i % 8) & 1);
  }
  return absl::OkStatus();
}

// What a page holds, unpacked.
struct Page {
  int64_t values = 0;  // those that are null included
  int64_t encoding = -1;
  std::string_view repetition_levels;  // whether each value goes on with a list; empty where none can
  std::string_view definition_levels;  // how much of its path is there; empty where all of it always is
  std::string_view data;
};

int LevelBits(int highest_level) {
  int bits = 0;
  while (highest_level >> bits > 0) ++bits;
  return bits;
}

// Where a leaf lies in the schema, and how deep what may be absent or repeated is nested.
struct Leaf {
  std::vector<std::string> path;
  int64_t physical_type = -1;
  int max_definition = 0;
  int list_definition = 0;  // of a list: the level from which on the list holds something
  bool is_list = false;
};

// Values of one column, in order: texts, or numbers.
struct Values {
  std::vector<std::string> texts;
  std::vector<int64_t> numbers;

  size_t size() const { return texts.size() + numbers.size(); }
};

// Reads one column of one row group after the other.
class LeafReader {
 public:
  LeafReader(std::string_view file, const Leaf& leaf) : file_(file), leaf_(leaf) {}

  Status ReadChunk(const ThriftValue& chunk) {
    codec_ = chunk.NumberOf(4, -1);
    if (codec_ < 0 || codec_ > 2) return NotRead(absl::StrCat("a column packed by ", CodecName(codec_)));
    dictionary_ = {};
    const int64_t left = chunk.NumberOf(5, -1);
    const int64_t dictionary_at = chunk.NumberOf(11, 0);
    int64_t at = chunk.NumberOf(9, -1);
    if (dictionary_at > 0) at = std::min(at, dictionary_at);
    if (left < 0 || at < 4) return DamagedPage("a column without a place");
    if (left > kMaxColumnValues - static_cast<int64_t>(values_.size())) {
      return NotRead(absl::StrCat("a column of more than ", kMaxColumnValues, " values"));
    }
    left_ = left;
    while (left_ > 0) {
      LWQ_ASSIGN_OR_RETURN(const int64_t values, ReadPage(&at));
      left_ -= values;
    }
    return absl::OkStatus();
  }

  ParquetColumn Take() {
    return {.is_list = leaf_.is_list,
            .is_text = leaf_.physical_type == kByteArray,
            .texts = std::move(values_.texts),
            .numbers = std::move(values_.numbers),
            .row_begins = std::move(row_begins_)};
  }

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
        if (dictionary == nullptr || dictionary_.size() > 0) return DamagedPage("a dictionary too many");
        LWQ_ASSIGN_OR_RETURN(const std::string data, UnpackPage(codec_, packed, unpacked_bytes));
        LWQ_RETURN_IF_ERROR(ReadPlain(data, dictionary->NumberOf(1, 0), &dictionary_));
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

  // Levels of a page of version 1: behind their length, in front of the values.
  static Status TakeLevels(int64_t encoding, std::string_view* data, std::string_view* levels) {
    if (encoding != kRle) return NotRead("a column with levels that are not RLE");
    if (data->size() < 4 || Little32(*data) > data->size() - 4) return DamagedPage("levels that end too early");
    *levels = data->substr(4, Little32(*data));
    data->remove_prefix(4 + levels->size());
    return absl::OkStatus();
  }

  StatusOr<int64_t> ReadPageV1(const ThriftValue& head, std::string_view packed, int64_t unpacked_bytes) {
    const ThriftValue* of_data = head.Field(5);
    if (of_data == nullptr) return DamagedPage("no head");
    LWQ_ASSIGN_OR_RETURN(const std::string data, UnpackPage(codec_, packed, unpacked_bytes));
    Page page{of_data->NumberOf(1, -1), of_data->NumberOf(2, -1), "", "", data};
    if (leaf_.is_list) {
      LWQ_RETURN_IF_ERROR(TakeLevels(of_data->NumberOf(4, -1), &page.data, &page.repetition_levels));
    }
    if (leaf_.max_definition > 0) {
      LWQ_RETURN_IF_ERROR(TakeLevels(of_data->NumberOf(3, -1), &page.data, &page.definition_levels));
    }
    return ReadValues(page);
  }

  StatusOr<int64_t> ReadPageV2(const ThriftValue& head, std::string_view packed, int64_t unpacked_bytes) {
    const ThriftValue* of_data = head.Field(8);
    if (of_data == nullptr) return DamagedPage("no head");
    const int64_t definition_bytes = of_data->NumberOf(5, -1);
    const int64_t repetition_bytes = of_data->NumberOf(6, 0);
    if (definition_bytes < 0 || definition_bytes > std::ssize(packed) || repetition_bytes < 0 ||
        repetition_bytes > std::ssize(packed) - definition_bytes || (repetition_bytes > 0 && !leaf_.is_list)) {
      return DamagedPage("levels that do not fit");
    }
    // The levels are never packed; the values are, unless the page says that they are not.
    const int64_t level_bytes = repetition_bytes + definition_bytes;
    const std::string_view values = packed.substr(static_cast<size_t>(level_bytes));
    const bool is_packed = of_data->NumberOf(7, 1) != 0;
    if (unpacked_bytes < level_bytes) return DamagedPage("levels that do not fit");
    LWQ_ASSIGN_OR_RETURN(const std::string data,
                         UnpackPage(is_packed ? codec_ : 0, values, unpacked_bytes - level_bytes));
    Page page{of_data->NumberOf(1, -1), of_data->NumberOf(4, -1), "", "", data};
    page.repetition_levels = packed.substr(0, static_cast<size_t>(repetition_bytes));
    if (leaf_.max_definition > 0) {
      page.definition_levels =
          packed.substr(static_cast<size_t>(repetition_bytes), static_cast<size_t>(definition_bytes));
    }
    return ReadValues(page);
  }

  static StatusOr<std::vector<uint32_t>> ReadLevels(std::string_view levels, int highest, int64_t count) {
    std::vector<uint32_t> read;
    LWQ_RETURN_IF_ERROR(ReadRuns(levels, LevelBits(highest), count, [&](uint32_t level) -> Status {
      if (level > static_cast<uint32_t>(highest)) return DamagedPage("a level that it has not");
      read.push_back(level);
      return absl::OkStatus();
    }));
    return read;
  }

  // Where rows begin, and how many values are there.
  StatusOr<int64_t> ReadRows(const Page& page) {
    if (!leaf_.is_list) {
      if (leaf_.max_definition == 0) return page.values;
      const auto whole = static_cast<uint32_t>(leaf_.max_definition);
      LWQ_RETURN_IF_ERROR(
          ReadRuns(page.definition_levels, LevelBits(leaf_.max_definition), page.values, [&](uint32_t level) -> Status {
            if (level > whole) return DamagedPage("a level that it has not");
            return level == whole ? absl::OkStatus() : NotRead("a column with rows that have no text");
          }));
      return page.values;
    }
    LWQ_ASSIGN_OR_RETURN(const auto repetitions, ReadLevels(page.repetition_levels, 1, page.values));
    LWQ_ASSIGN_OR_RETURN(const auto definitions, ReadLevels(page.definition_levels, leaf_.max_definition, page.values));
    int64_t there = 0;
    for (size_t i = 0; i < repetitions.size(); ++i) {
      const auto level = static_cast<int>(definitions[i]);
      if (repetitions[i] == 0) row_begins_.push_back(static_cast<int64_t>(values_.size()) + there);
      if (repetitions[i] != 0 && (row_begins_.empty() || level < leaf_.list_definition)) {
        return DamagedPage("a list that begins nowhere");
      }
      if (level == leaf_.max_definition) {
        ++there;
      } else if (level != leaf_.list_definition - 1) {  // which is the list that is empty
        return NotRead("a column with rows that have no list, or lists with nothing in a place,");
      }
    }
    return there;
  }

  StatusOr<int64_t> ReadValues(const Page& page) {
    if (page.values < 0) return DamagedPage("no number of values");
    if (page.values > left_) return DamagedPage("more values than the column has");
    LWQ_ASSIGN_OR_RETURN(const int64_t there, ReadRows(page));
    const size_t before = values_.texts.size();
    if (page.encoding == kPlain) {
      LWQ_RETURN_IF_ERROR(ReadPlain(page.data, there, &values_));
    } else if (page.encoding == kPlainDictionary || page.encoding == kRleDictionary) {
      if (there > 0 && page.data.empty()) return DamagedPage("no values");
      const int bit_width = page.data.empty() ? 0 : static_cast<uint8_t>(page.data.front());
      LWQ_RETURN_IF_ERROR(ReadRuns(page.data.substr(std::min<size_t>(1, page.data.size())), bit_width, there,
                                   [&](uint32_t place) { return TakeWord(place); }));
    } else if (page.encoding == kRle && leaf_.physical_type == kBoolean) {
      if (page.data.size() < 4) return DamagedPage("no values");
      LWQ_RETURN_IF_ERROR(ReadRuns(page.data.substr(4), 1, there, [&](uint32_t bit) -> Status {
        values_.numbers.push_back(bit);
        return absl::OkStatus();
      }));
    } else {
      return NotRead(absl::StrCat("a column in encoding ", page.encoding));
    }
    for (size_t i = before; i < values_.texts.size(); ++i) text_bytes_ += std::ssize(values_.texts[i]);
    if (text_bytes_ > kMaxColumnBytes)
      return NotRead(absl::StrCat("a column of more than ", kMaxColumnBytes, " bytes"));
    return page.values;
  }

  Status TakeWord(uint32_t place) {
    if (place >= dictionary_.size()) return DamagedPage("a word that it has not");
    if (leaf_.physical_type == kByteArray) {
      values_.texts.push_back(dictionary_.texts[place]);
    } else {
      values_.numbers.push_back(dictionary_.numbers[place]);
    }
    return absl::OkStatus();
  }

  Status ReadPlain(std::string_view bytes, int64_t count, Values* values) const {
    if (leaf_.physical_type == kByteArray) return ReadPlainTexts(bytes, count, &values->texts);
    if (leaf_.physical_type == kBoolean) return ReadPlainBits(bytes, count, &values->numbers);
    return ReadPlainNumbers(bytes, count, leaf_.physical_type == kInt32 ? 4 : 8, &values->numbers);
  }

  const std::string_view file_;
  const Leaf& leaf_;
  int64_t codec_ = 0;
  int64_t left_ = 0;  // values of the row group's column that are not read yet
  Values dictionary_;
  Values values_;
  std::vector<int64_t> row_begins_;
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

// The elements below one: where each begins.
std::vector<size_t> ChildrenOf(const std::vector<ThriftValue>& schema, size_t at) {
  std::vector<size_t> children;
  size_t child = at + 1;
  for (int64_t i = 0; i < schema[at].NumberOf(5, 0) && child < schema.size(); ++i) {
    children.push_back(child);
    const size_t size = SubtreeSize(schema, child);
    if (size == 0) break;
    child += size;
  }
  return children;
}

std::string_view NameOf(const ThriftValue& element) {
  const ThriftValue* name = element.Field(4);
  return name == nullptr ? std::string_view() : name->text;
}

// The element below `at` of that name.
StatusOr<size_t> FindChild(const std::vector<ThriftValue>& schema, size_t at, std::string_view name,
                           std::string_view whole_path) {
  std::string names;
  for (const size_t child : ChildrenOf(schema, at)) {
    if (NameOf(schema[child]) == name) return child;
    absl::StrAppend(&names, names.empty() ? "" : ", ", OneLine(NameOf(schema[child]), 60));
  }
  if (at != 0) names = absl::StrCat(names, " of ", OneLine(NameOf(schema[at]), 60));
  return absl::InvalidArgumentError(
      absl::StrCat("has no column ", whole_path, "; its columns are ", OneLine(names, 300)));
}

Status NotReadColumn(std::string_view column, std::string_view why) {
  return NotRead(absl::StrCat("column ", column, ", which is ", why, ","));
}

// Goes down one element: its name, and what it adds to the levels.
void Descend(const ThriftValue& element, Leaf* leaf) {
  leaf->path.emplace_back(NameOf(element));
  const int64_t repetition = element.NumberOf(3, -1);
  if (repetition != kRequired) ++leaf->max_definition;
  if (repetition != kRepeated) return;
  leaf->is_list = true;
  leaf->list_definition = leaf->max_definition;
}

StatusOr<Leaf> FindLeaf(const std::vector<ThriftValue>& schema, std::string_view path) {
  if (schema.empty() || SubtreeSize(schema, 0) == 0) {
    return absl::DataLossError("its metadata is damaged: a schema that is not whole");
  }
  Leaf leaf;
  size_t at = 0;
  for (std::string_view rest = path; !rest.empty();) {
    const size_t dot = rest.find('.');
    LWQ_ASSIGN_OR_RETURN(at, FindChild(schema, at, rest.substr(0, dot), path));
    Descend(schema[at], &leaf);
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  // What lists put between their name and their items: each the only one of its parent.
  while (schema[at].NumberOf(5, 0) != 0) {
    const std::vector<size_t> children = ChildrenOf(schema, at);
    if (children.size() != 1 || leaf.path.size() > 8) return NotReadColumn(path, "a group of columns");
    if (leaf.is_list && schema[children.front()].NumberOf(3, -1) == kRepeated)
      return NotReadColumn(path, "one of lists of lists");
    at = children.front();
    Descend(schema[at], &leaf);
  }
  leaf.physical_type = schema[at].NumberOf(1, -1);
  const bool is_read = leaf.physical_type == kByteArray || leaf.physical_type == kBoolean ||
                       leaf.physical_type == kInt32 || leaf.physical_type == kInt64;
  if (!is_read) return NotReadColumn(path, "one of neither texts nor whole numbers");
  return leaf;
}

bool IsChunkOf(const ThriftValue& metadata, const std::vector<std::string>& path) {
  const std::vector<ThriftValue>& parts = metadata.ItemsOf(3);
  return std::equal(parts.begin(), parts.end(), path.begin(), path.end(),
                    [](const ThriftValue& part, const std::string& name) { return part.text == name; });
}

StatusOr<ParquetColumn> ReadColumn(std::string_view file, std::string_view path, bool texts_only) {
  LWQ_ASSIGN_OR_RETURN(const ThriftValue footer, ReadFooter(file));
  LWQ_ASSIGN_OR_RETURN(const Leaf leaf, FindLeaf(footer.ItemsOf(2), path));
  if (texts_only && (leaf.is_list || leaf.physical_type != kByteArray)) return NotReadColumn(path, "not one of texts");
  if (footer.Field(4) == nullptr) return absl::DataLossError("its metadata is damaged: no rows are listed");
  LeafReader reader(file, leaf);
  for (const ThriftValue& group : footer.ItemsOf(4)) {
    bool found = false;
    for (const ThriftValue& chunk : group.ItemsOf(1)) {
      const ThriftValue* metadata = chunk.Field(3);
      if (found || metadata == nullptr || !IsChunkOf(*metadata, leaf.path)) continue;
      found = true;
      LWQ_RETURN_IF_ERROR(reader.ReadChunk(*metadata));
    }
    if (!found) return absl::DataLossError("its metadata is damaged: rows without the column");
  }
  ParquetColumn column = reader.Take();
  if (column.rows() != footer.NumberOf(3, -1))
    return absl::DataLossError("it has another number of rows than it states");
  return column;
}

}  // namespace

int64_t ParquetColumn::rows() const {
  return is_list ? std::ssize(row_begins) : std::ssize(texts) + std::ssize(numbers);
}

StatusOr<ParquetColumn> ReadParquetColumn(std::string_view what, std::string_view file, std::string_view path) {
  StatusOr<ParquetColumn> column = ReadColumn(file, path, /*texts_only=*/false);
  if (!column.ok()) return Annotate(column.status(), what);
  return column;
}

StatusOr<std::vector<std::string>> ReadParquetTexts(std::string_view what, std::string_view file,
                                                    std::string_view column) {
  StatusOr<ParquetColumn> texts = ReadColumn(file, column, /*texts_only=*/true);
  if (!texts.ok()) return Annotate(texts.status(), what);
  return std::move(texts->texts);
}

}  // namespace lwq
