// SPDX-License-Identifier: Apache-2.0
#include "common/sweep/axes.h"

#include <algorithm>
#include <iterator>

#include "common/text/one_line.h"

namespace lwq {
namespace {

using Kind = AxisNode::Kind;

Status Refuse(const AxisNode& node, std::string_view message) {
  const Status status = absl::InvalidArgumentError(absl::StrCat(message));
  return node.where.empty() ? status : Annotate(status, node.where);
}

std::string InQuotes(std::string_view text) {
  return absl::StrCat("\"", OneLine(text, 60), "\"");
}

// "wbits", or "the part of wbits, seed".
std::string Describe(const AxisNode& node) {
  if (node.kind == Kind::kValues) return node.key;
  std::string keys;
  for (const std::string& key : KeysOf(node)) absl::StrAppend(&keys, keys.empty() ? "" : ", ", key);
  return absl::StrCat("the part of ", keys.empty() ? "no keys" : keys);
}

void CollectKeys(const AxisNode& node, std::set<std::string>* keys) {
  if (node.kind == Kind::kValues) keys->insert(node.key);
  for (const AxisNode& part : node.parts) CollectKeys(part, keys);
}

Status CheckValues(const AxisNode& node, bool in_zip) {
  if (node.values.empty()) return Refuse(node, absl::StrCat(node.key, ": has no values; give some or remove the key"));
  if (in_zip) return absl::OkStatus();
  std::set<Json> seen;
  for (const AxisValue& value : node.values) {
    if (seen.insert(value.value).second) continue;
    return Refuse(node, absl::StrCat(node.key, ": the value ", InQuotes(value.label), " is given twice; remove one"));
  }
  return absl::OkStatus();
}

// The keys of a product's or zip's parts have to differ.
Status CheckKeysDiffer(const AxisNode& node) {
  std::set<std::string> taken;
  for (const AxisNode& part : node.parts) {
    for (const std::string& key : KeysOf(part)) {
      if (taken.insert(key).second) continue;
      return Refuse(part, absl::StrCat("key ", InQuotes(key), " is set by two axes at once; remove one"));
    }
  }
  return absl::OkStatus();
}

StatusOr<int64_t> Count(const AxisNode& node, bool in_zip);

StatusOr<int64_t> CountZip(const AxisNode& node) {
  if (node.parts.empty()) return Refuse(node, "zip: is empty; give it keys with lists of values");
  int64_t rows = 0;
  for (const AxisNode& part : node.parts) {
    LWQ_ASSIGN_OR_RETURN(const int64_t own, Count(part, /*in_zip=*/true));
    if (&part == &node.parts.front()) rows = own;
    if (own == rows) continue;
    return Refuse(part, absl::StrCat("zip: ", Describe(node.parts.front()), " has ", rows, " values and ",
                                     Describe(part), " has ", own, "; give both as many"));
  }
  return rows;
}

StatusOr<int64_t> Count(const AxisNode& node, bool in_zip) {
  if (node.kind == Kind::kValues) {
    LWQ_RETURN_IF_ERROR(CheckValues(node, in_zip));
    return static_cast<int64_t>(node.values.size());
  }
  if (node.kind != Kind::kList) LWQ_RETURN_IF_ERROR(CheckKeysDiffer(node));
  if (node.kind == Kind::kZip) return CountZip(node);
  const bool is_list = node.kind == Kind::kList;
  if (is_list && node.parts.empty()) return Refuse(node, "list: is empty; give it alternatives or remove it");
  int64_t rows = is_list ? 0 : 1;
  for (const AxisNode& part : node.parts) {
    LWQ_ASSIGN_OR_RETURN(const int64_t own, Count(part, /*in_zip=*/false));
    rows = is_list ? rows + own : rows * own;  // both factors are at most kMaxCombinations
    if (rows <= kMaxCombinations) continue;
    return Refuse(node, absl::StrCat("makes more than ", kMaxCombinations, " combinations; take values or axes out"));
  }
  return rows;
}

// Of a tree that Count accepted.
std::vector<AxisRow> Expand(const AxisNode& node) {
  std::vector<AxisRow> rows;
  if (node.kind == Kind::kValues) {
    for (const AxisValue& value : node.values) rows.push_back({{&node, &value}});
    return rows;
  }
  if (node.kind == Kind::kProduct) rows.emplace_back();
  for (const AxisNode& part : node.parts) {
    std::vector<AxisRow> own = Expand(part);
    if (node.kind == Kind::kList) {
      std::move(own.begin(), own.end(), std::back_inserter(rows));
    } else if (node.kind == Kind::kZip) {
      rows.resize(own.size());
      for (size_t i = 0; i < own.size(); ++i) rows[i].insert(rows[i].end(), own[i].begin(), own[i].end());
    } else {
      std::vector<AxisRow> product;
      product.reserve(rows.size() * own.size());
      for (const AxisRow& left : rows) {
        for (const AxisRow& right : own) {
          product.push_back(left);
          product.back().insert(product.back().end(), right.begin(), right.end());
        }
      }
      rows = std::move(product);
    }
  }
  return rows;
}

}  // namespace

std::set<std::string> KeysOf(const AxisNode& node) {
  std::set<std::string> keys;
  CollectKeys(node, &keys);
  return keys;
}

StatusOr<int64_t> CountRows(const AxisNode& node) {
  return Count(node, /*in_zip=*/false);
}

StatusOr<std::vector<AxisRow>> RowsOf(const AxisNode& node) {
  LWQ_RETURN_IF_ERROR(CountRows(node));
  return Expand(node);
}

}  // namespace lwq
