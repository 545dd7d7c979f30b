// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/item_file.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/documents/documents.h"
#include "common/documents/gzip.h"
#include "common/documents/json_records.h"
#include "common/parquet/parquet_column.h"
#include "common/text/lower_case.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

bool IsParquetName(std::string_view name) {
  return LowerCase(name).ends_with(".parquet");
}

// Takes records one after the other.
class ItemReader {
 public:
  ItemReader(const EvalTask& task, int64_t limit, std::vector<int64_t> labels, const std::string& labels_name)
      : task_(task), limit_(limit), labels_(std::move(labels)), labels_name_(labels_name) {}

  Status Take(const Json& record, std::string_view what) {
    if (!record.is_object()) return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
    const size_t place = taken_++;
    if (limit_ > 0 && std::ssize(items_) >= limit_) return absl::OkStatus();
    StatusOr<EvalItem> item = labels_name_.empty() ? task_.read(record) : ReadLabelled(record, place);
    if (!item.ok()) return Annotate(item.status(), what);
    items_.push_back(*std::move(item));
    return absl::OkStatus();
  }

  // Requires that every record was taken.
  StatusOr<std::vector<EvalItem>> Finish(const std::string& name) {
    if (items_.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " holds no item"));
    if (!labels_name_.empty() && labels_.size() != taken_) {
      return absl::InvalidArgumentError(
          absl::StrCat(labels_name_, " has ", labels_.size(), " labels for the ", taken_, " items of ", name));
    }
    return std::move(items_);
  }

 private:
  StatusOr<EvalItem> ReadLabelled(Json record, size_t place) {
    if (place < labels_.size() && !record.contains("label")) record["label"] = labels_[place];
    return task_.read(record);
  }

  const EvalTask& task_;
  const int64_t limit_;
  const std::vector<int64_t> labels_;
  const std::string& labels_name_;
  size_t taken_ = 0;
  std::vector<EvalItem> items_;
};

StatusOr<std::vector<int64_t>> ReadLabels(const ItemFile& file) {
  std::vector<int64_t> labels;
  int64_t line_number = 0;
  for (const absl::string_view line : absl::StrSplit(absl::string_view(file.labels.data(), file.labels.size()), '\n')) {
    ++line_number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    int64_t label = 0;
    if (!absl::SimpleAtoi(line, &label)) {
      return absl::InvalidArgumentError(absl::StrCat(file.labels_name, " line ", line_number, ": \"",
                                                     OneLine({line.data(), line.size()}, 40), "\" is no whole number"));
    }
    labels.push_back(label);
  }
  return labels;
}

// A leaf of a record: {"choices": {"text": …}} of "choices.text".
Json& PlaceIn(Json& record, std::string_view path) {
  Json* place = &record;
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    place = &(*place)[std::string(path.substr(0, dot))];
    path = path.substr(dot + 1);
  }
  return (*place)[std::string(path)];
}

Json ValueOf(const ParquetColumn& column, int64_t index) {
  const auto at = static_cast<size_t>(index);
  return column.is_text ? Json(column.texts[at]) : Json(column.numbers[at]);
}

Json RowOf(const ParquetColumn& column, int64_t row) {
  if (!column.is_list) return ValueOf(column, row);
  const int64_t values = std::ssize(column.texts) + std::ssize(column.numbers);
  const int64_t begin = column.row_begins[static_cast<size_t>(row)];
  const int64_t end = row + 1 < column.rows() ? column.row_begins[static_cast<size_t>(row + 1)] : values;
  Json list = Json::array();
  for (int64_t i = begin; i < end; ++i) list.push_back(ValueOf(column, i));
  return list;
}

struct NamedColumn {
  std::string_view path;
  ParquetColumn column;
};

StatusOr<std::vector<NamedColumn>> ReadColumns(const EvalTask& task, const ItemFile& file, KeepGoing keep_going) {
  std::vector<NamedColumn> columns;
  for (const EvalColumn& wanted : task.columns) {
    LWQ_RETURN_IF_ERROR(keep_going());
    StatusOr<ParquetColumn> column = ReadParquetColumn(file.name, file.contents, wanted.path);
    const bool is_absent = absl::IsInvalidArgument(column.status()) &&
                           MessageOf(column.status()).find("has no column") != std::string_view::npos;
    if (is_absent && wanted.is_optional) continue;
    if (!column.ok()) return column.status();
    if (column->is_list != wanted.is_list) {
      return absl::InvalidArgumentError(absl::StrCat(file.name, ": column ", wanted.path, " is ",
                                                     column->is_list ? "one of lists" : "not one of lists", ", ",
                                                     task.name, " is published otherwise"));
    }
    columns.push_back({wanted.path, *std::move(column)});
  }
  return columns;
}

Status ReadParquet(const EvalTask& task, const ItemFile& file, KeepGoing keep_going, ItemReader& reader) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<NamedColumn> columns, ReadColumns(task, file, keep_going));
  const int64_t rows = columns.empty() ? 0 : columns.front().column.rows();
  for (int64_t row = 0; row < rows; ++row) {
    LWQ_RETURN_IF_ERROR(keep_going());
    Json record = Json::object();
    for (const NamedColumn& named : columns) {
      if (named.column.rows() <= row)
        return absl::DataLossError(absl::StrCat(file.name, " has columns of two lengths"));
      PlaceIn(record, named.path) = RowOf(named.column, row);
    }
    LWQ_RETURN_IF_ERROR(reader.Take(record, absl::StrCat(file.name, " row ", row + 1)));
  }
  return absl::OkStatus();
}

Status ReadJson(const ItemFile& file, std::string_view text, KeepGoing keep_going, ItemReader& reader) {
  const auto take = [&reader](const Json& record, std::string_view what) { return reader.Take(record, what); };
  const size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool is_array = first != std::string_view::npos && text[first] == '[';
  return is_array ? ForEachJsonRecord(file.name, text, take) : ForEachJsonLine(file.name, text, keep_going, take);
}

}  // namespace

StatusOr<std::string> ItemsNameInTree(std::string_view name) {
  if (IsParquetName(name)) return "items.parquet";
  const TextSuffix suffix = TextSuffixOf(name);
  if (suffix.kind == TextSuffix::Kind::kOther) {
    return absl::InvalidArgumentError(
        absl::StrCat(OneLine(name, 200), " is none of .jsonl, .json (either also as .gz) and .parquet"));
  }
  const std::string_view stem = suffix.kind == TextSuffix::Kind::kJson ? "items.json" : "items.jsonl";
  return absl::StrCat(stem, suffix.gzip ? ".gz" : "");
}

StatusOr<std::vector<EvalItem>> ReadEvalItems(const EvalTask& task, const ItemFile& file, int64_t limit,
                                              KeepGoing keep_going) {
  LWQ_RETURN_IF_ERROR(ItemsNameInTree(file.name).status());
  LWQ_ASSIGN_OR_RETURN(std::vector<int64_t> labels, ReadLabels(file));
  ItemReader reader(task, limit, std::move(labels), file.labels_name);
  if (IsParquetName(file.name)) {
    LWQ_RETURN_IF_ERROR(ReadParquet(task, file, keep_going, reader));
  } else if (TextSuffixOf(file.name).gzip) {
    LWQ_ASSIGN_OR_RETURN(const std::string text, Gunzip(file.contents, kMaxUnpackedTextBytes, file.name, keep_going));
    LWQ_RETURN_IF_ERROR(ReadJson(file, text, keep_going, reader));
  } else {
    LWQ_RETURN_IF_ERROR(ReadJson(file, file.contents, keep_going, reader));
  }
  return reader.Finish(file.name);
}

}  // namespace lwq
