// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/data_table.h"

#include <array>
#include <charconv>
#include <cmath>

#include "common/status/status.h"

namespace lwq::reporting {
namespace {

std::string ShortestReal(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

std::string QuotedField(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_of(",\"\r\n") == std::string::npos && text.front() != ' ' &&
                     text.back() != ' ' && text.front() != '\t' && text.back() != '\t';
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string FieldOf(const DataCell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return absl::StrCat(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return ShortestReal(*real);
  if (const auto* text = std::get_if<std::string>(&cell)) return QuotedField(*text);
  return "";
}

Json JsonOf(const DataCell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return *integer;
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  const auto* real = std::get_if<double>(&cell);
  return real != nullptr && std::isfinite(*real) ? Json(*real) : Json(nullptr);
}

}  // namespace

std::string ToCsv(const DataTable& table) {
  std::string csv;
  const auto add_record = [&](const auto& field_of) {
    for (size_t i = 0; i < table.columns.size(); ++i)
      absl::StrAppend(&csv, i > 0 ? "," : "", field_of(table.columns[i]));
    csv += "\r\n";
  };
  add_record([](const DataColumn& column) { return QuotedField(column.name); });
  for (size_t row = 0; row < table.rows(); ++row) {
    add_record([&](const DataColumn& column) { return FieldOf(column.cells[row]); });
  }
  return csv;
}

Json RowsToJson(const DataTable& table) {
  Json rows = Json::array();
  for (size_t row = 0; row < table.rows(); ++row) {
    Json& object = rows.emplace_back(Json::object());
    for (const DataColumn& column : table.columns) object[column.name] = JsonOf(column.cells[row]);
  }
  return rows;
}

}  // namespace lwq::reporting
