// SPDX-License-Identifier: Apache-2.0
#include "client/render/inspection_text.h"

#include "absl/strings/str_cat.h"
#include "client/base/format.h"
#include "client/render/table.h"

namespace lwq::client {
namespace {

void AddLine(std::string_view title, const std::string& text, std::string& out) {
  if (!text.empty()) absl::StrAppend(&out, PadRight(title, 14), OneLine(text), "\n");
}

std::string StoredBitsText(const qat::Inspection& inspection) {
  if (inspection.quantized_weights == 0) return "";
  std::string text = absl::StrCat(FormatFixed(inspection.stored_bits_per_weight, 3), " stored bits a weight over ",
                                  inspection.quantized_weights, " weights");
  if (inspection.average_bits > 0) {
    absl::StrAppend(&text, "; codes of ", FormatFixed(inspection.average_bits, 3), " bits on average");
  }
  return text;
}

std::string BlocksTable(const qat::Inspection& inspection) {
  Table table({{"blocks", true}, {"linears"}});
  for (const qat::StoredBlocks& blocks : inspection.blocks) {
    table.AddRow(
        {blocks.first == blocks.last ? absl::StrCat(blocks.first) : absl::StrCat(blocks.first, "-", blocks.last),
         OneLine(qat::StorageText(blocks))});
  }
  return table.empty() ? "" : absl::StrCat("\n", table.Render());
}

std::string BytesTable(const qat::Inspection& inspection) {
  Table table({{"bytes of"}, {"size", true}});
  int64_t total_bytes = 0;
  for (const auto& [kind, bytes] : inspection.bytes) {
    table.AddRow({kind, FormatBytes(bytes)});
    total_bytes += bytes;
  }
  if (table.empty()) return "";
  table.AddRow({"all tensors", FormatBytes(total_bytes)});
  return absl::StrCat("\n", table.Render());
}

std::string Verdict(const qat::Inspection& inspection) {
  if (inspection.sound()) return "\nsound: nothing is wrong with it\n";
  std::string text = "\n";
  for (const std::string& fault : inspection.faults) absl::StrAppend(&text, "fault: ", OneLine(fault), "\n");
  if (inspection.more_faults > 0) absl::StrAppend(&text, "and ", inspection.more_faults, " more faults\n");
  return text;
}

Json LinearToJson(const qat::StoredLinear& linear) {
  if (linear.bits == 0) return {{"type", linear.type}};
  return {{"bits", linear.bits}, {"group_size", linear.group_size}};
}

Json BlocksToJson(const qat::StoredBlocks& blocks) {
  Json json = {{"first", blocks.first}, {"last", blocks.last}, {"linears", Json::object()}};
  for (const auto& [kind, linear] : blocks.linears)
    json["linears"][std::string(LinearName(kind))] = LinearToJson(linear);
  return json;
}

}  // namespace

std::string RenderInspection(const qat::Inspection& inspection) {
  std::string out;
  AddLine("path", inspection.path, out);
  AddLine("format", inspection.format.empty() ? "unknown" : inspection.format, out);
  AddLine("recognised by", inspection.recognised_by, out);
  AddLine("architecture", inspection.architecture, out);
  AddLine("bits", StoredBitsText(inspection), out);
  AddLine("head", inspection.head, out);
  AddLine("tokenizer", inspection.tokenizer, out);
  absl::StrAppend(&out, BlocksTable(inspection), BytesTable(inspection), "\n");
  for (const std::string& check : inspection.checks) AddLine("checked", check, out);
  for (const std::string& remark : inspection.remarks) AddLine("remark", remark, out);
  return absl::StrCat(out, Verdict(inspection));
}

Json InspectionToJson(const qat::Inspection& inspection) {
  Json blocks = Json::array();
  for (const qat::StoredBlocks& alike : inspection.blocks) blocks.push_back(BlocksToJson(alike));
  return {{"path", OneLine(inspection.path)},
          {"format", inspection.format},
          {"recognised_by", OneLine(inspection.recognised_by)},
          {"architecture", OneLine(inspection.architecture)},
          {"blocks", std::move(blocks)},
          {"quantized_weights", inspection.quantized_weights},
          {"average_bits", inspection.average_bits},
          {"stored_bits_per_weight", inspection.stored_bits_per_weight},
          {"bytes", inspection.bytes},
          {"head", inspection.head},
          {"tokenizer", OneLine(inspection.tokenizer)},
          {"checks", inspection.checks},
          {"remarks", inspection.remarks},
          {"faults", inspection.faults},
          {"more_faults", inspection.more_faults},
          {"sound", inspection.sound()}};
}

}  // namespace lwq::client
