// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/parquet.h"

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "reporting/files/thrift_compact.h"

namespace lwq::reporting {
namespace {

// Numbers of parquet.thrift.
constexpr char kMagic[] = "PAR1";
constexpr int32_t kFormatVersion = 1;
constexpr int32_t kOptional = 1;      // FieldRepetitionType
constexpr int32_t kUtf8 = 0;          // ConvertedType
constexpr int32_t kPlain = 0;         // Encoding
constexpr int32_t kRle = 3;           // Encoding
constexpr int32_t kUncompressed = 0;  // CompressionCodec
constexpr int32_t kDataPage = 0;      // PageType

using Writer = ThriftCompactWriter;

int32_t PhysicalType(DataType type) {
  switch (type) {
    case DataType::kInteger:
      return 2;  // INT64
    case DataType::kReal:
      return 5;  // DOUBLE
    case DataType::kText:
      return 6;  // BYTE_ARRAY
  }
  LWQ_CHECK(false, "a type without a row");
}

template <typename Integer>
void AppendLittleEndian(Integer value, std::string* bytes) {
  for (size_t i = 0; i < sizeof(value); ++i) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

void AppendVarint(uint64_t value, std::string* bytes) {
  for (; value >= 0x80; value >>= 7) bytes->push_back(static_cast<char>(value | 0x80));
  bytes->push_back(static_cast<char>(value));
}

bool IsPresent(const DataCell& cell) {
  return !std::holds_alternative<std::monostate>(cell);
}

// Definition levels, one bit wide: 1 where there is a value; runs of equal levels as (length << 1, level).
std::string DefinitionLevels(const std::vector<DataCell>& cells) {
  std::string runs;
  for (size_t first = 0; first < cells.size();) {
    size_t end = first + 1;
    while (end < cells.size() && IsPresent(cells[end]) == IsPresent(cells[first])) ++end;
    AppendVarint((end - first) << 1, &runs);
    runs.push_back(IsPresent(cells[first]) ? 1 : 0);
    first = end;
  }
  return runs;
}

void AppendPlain(const DataCell& cell, std::string* bytes) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) AppendLittleEndian(static_cast<uint64_t>(*integer), bytes);
  if (const auto* real = std::get_if<double>(&cell)) AppendLittleEndian(std::bit_cast<uint64_t>(*real), bytes);
  if (const auto* text = std::get_if<std::string>(&cell)) {
    AppendLittleEndian(static_cast<uint32_t>(text->size()), bytes);
    *bytes += *text;
  }
}

std::string PageHeader(size_t values, size_t size_bytes) {
  Writer header;
  header.I32(1, kDataPage);
  header.I32(2, static_cast<int32_t>(size_bytes));
  header.I32(3, static_cast<int32_t>(size_bytes));
  header.BeginStruct(5);
  header.I32(1, static_cast<int32_t>(values));
  header.I32(2, kPlain);
  header.I32(3, kRle);
  header.I32(4, kRle);
  header.EndStruct();
  return header.Finish();
}

StatusOr<std::string> PageOf(const DataColumn& column) {
  const std::string levels = DefinitionLevels(column.cells);
  std::string page;
  AppendLittleEndian(static_cast<uint32_t>(levels.size()), &page);
  page += levels;
  for (const DataCell& cell : column.cells) AppendPlain(cell, &page);
  if (page.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("column ", column.name, " has ", page.size(), " bytes; a page of Parquet holds less than 2 GiB"));
  }
  return PageHeader(column.cells.size(), page.size()) + page;
}

void WriteSchema(const DataTable& table, Writer* meta) {
  meta->BeginList(2, Writer::Type::kStruct, table.columns.size() + 1);
  meta->BeginElement();
  meta->Text(4, "runs");
  meta->I32(5, static_cast<int32_t>(table.columns.size()));
  meta->EndStruct();
  for (const DataColumn& column : table.columns) {
    meta->BeginElement();
    meta->I32(1, PhysicalType(column.type));
    meta->I32(3, kOptional);
    meta->Text(4, column.name);
    if (column.type == DataType::kText) {
      meta->I32(6, kUtf8);
      meta->BeginStruct(10);  // LogicalType, a union: STRING
      meta->BeginStruct(1);
      meta->EndStruct();
      meta->EndStruct();
    }
    meta->EndStruct();
  }
}

struct Chunk {
  int64_t offset = 0;
  int64_t size_bytes = 0;
};

void WriteChunk(const DataColumn& column, const Chunk& chunk, Writer* meta) {
  meta->BeginElement();
  meta->I64(2, chunk.offset);
  meta->BeginStruct(3);  // ColumnMetaData
  meta->I32(1, PhysicalType(column.type));
  meta->BeginList(2, Writer::Type::kI32, 2);
  meta->I32Element(kPlain);
  meta->I32Element(kRle);
  meta->BeginList(3, Writer::Type::kBinary, 1);
  meta->TextElement(column.name);
  meta->I32(4, kUncompressed);
  meta->I64(5, static_cast<int64_t>(column.cells.size()));
  meta->I64(6, chunk.size_bytes);
  meta->I64(7, chunk.size_bytes);
  meta->I64(9, chunk.offset);
  meta->EndStruct();
  meta->EndStruct();
}

void WriteRowGroups(const DataTable& table, const std::vector<Chunk>& chunks, Writer* meta) {
  const bool has_rows = table.rows() > 0;
  meta->BeginList(4, Writer::Type::kStruct, has_rows ? 1 : 0);
  if (!has_rows) return;
  int64_t size_bytes = 0;
  for (const Chunk& chunk : chunks) size_bytes += chunk.size_bytes;
  meta->BeginElement();
  meta->BeginList(1, Writer::Type::kStruct, chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) WriteChunk(table.columns[i], chunks[i], meta);
  meta->I64(2, size_bytes);
  meta->I64(3, static_cast<int64_t>(table.rows()));
  meta->EndStruct();
}

}  // namespace

StatusOr<std::string> ToParquet(const DataTable& table) {
  std::string file = kMagic;
  std::vector<Chunk> chunks;
  for (const DataColumn& column : table.columns) {
    if (column.cells.empty()) continue;
    LWQ_ASSIGN_OR_RETURN(const std::string page, PageOf(column));
    chunks.push_back({.offset = static_cast<int64_t>(file.size()), .size_bytes = static_cast<int64_t>(page.size())});
    file += page;
  }
  Writer meta;
  meta.I32(1, kFormatVersion);
  WriteSchema(table, &meta);
  meta.I64(3, static_cast<int64_t>(table.rows()));
  WriteRowGroups(table, chunks, &meta);
  meta.Text(6, "lwq");
  const std::string footer = meta.Finish();
  file += footer;
  AppendLittleEndian(static_cast<uint32_t>(footer.size()), &file);
  return file + kMagic;
}

}  // namespace lwq::reporting
