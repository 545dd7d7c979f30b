// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/yaml_tree.h"

#include <map>
#include <sstream>

#include "client/base/format.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace lwq::client {
namespace {

// Leaves yaml-cpp's parser; never leaves this file.
struct Refused {
  YAML::Mark mark;
  std::string message;
};

// Whether the quoted text that begins at `begin` ends before the file does; yaml-cpp lets it end with the file.
bool QuoteIsClosed(std::string_view text, size_t begin) {
  if (begin >= text.size() || (text[begin] != '"' && text[begin] != '\'')) return true;  // not in quotes
  const char quote = text[begin];
  for (size_t i = begin + 1; i < text.size(); ++i) {
    const bool escaped = quote == '"' ? text[i] == '\\' : text.substr(i, 2) == "''";
    if (escaped) {
      ++i;
    } else if (text[i] == quote) {
      return true;
    }
  }
  return false;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const YamlLimits& limits) : text_(text), limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0)
      throw Refused{mark, absl::StrCat("holds more than one document; one file is one ", limits_.what)};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(mark, "", anchor, YamlNode::Kind::kNull); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { RefuseAnchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode& node = Add(mark, tag, anchor, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    if (node.quoted && !QuoteIsClosed(text_, static_cast<size_t>(mark.pos))) {
      throw Refused{mark, "not valid YAML: the quoted text does not end"};
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { open_.pop_back(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override { RefuseAnchor(mark); }

  YamlNode TakeRoot() { return std::move(root_); }

 private:
  [[noreturn]] void RefuseAnchor(const YAML::Mark& mark) const {
    throw Refused{mark,
                  absl::StrCat("anchors and aliases are not supported in ", limits_.kind, "s; write the value out")};
  }

  YamlNode& Add(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (anchor != 0) RefuseAnchor(mark);
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{mark, absl::StrCat("tags are not supported in ", limits_.kind, "s; remove it")};
    }
    if (++nodes_ > limits_.max_nodes) {
      throw Refused{mark, absl::StrCat("has more than ", limits_.max_nodes, " values; ", limits_.advice)};
    }
    YamlNode& node = open_.empty() ? root_ : open_.back()->items.emplace_back();
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  // A container's address is stable while it is open: its parent gets no further item before it is closed.
  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (open_.size() >= limits_.max_depth) throw Refused{mark, absl::StrCat("is nested too deeply; ", limits_.advice)};
    open_.push_back(&Add(mark, tag, anchor, kind));
  }

  const std::string_view text_;
  const YamlLimits limits_;
  YamlNode root_;
  std::vector<YamlNode*> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

std::string Place(std::string_view what, const YAML::Mark& mark) {
  return absl::StrCat(what, ":", mark.line + 1, ":", mark.column + 1);
}

}  // namespace

StatusOr<YamlNode> ParseYaml(std::string_view text, std::string_view what, const YamlLimits& limits) {
  const auto invalid = [](std::string_view place, std::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": ", message));
  };
  if (text.size() > kMaxYamlBytes) return invalid(what, absl::StrCat("is larger than 1 MiB; ", limits.advice));
  if (text.find('\0') != std::string_view::npos) return invalid(what, "is not a text file; give a YAML file");
  TreeBuilder builder(text, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return invalid(Place(what, refused.mark), refused.message);
  } catch (const YAML::Exception& error) {
    return invalid(Place(what, error.mark), absl::StrCat("not valid YAML: ", OneLine(error.msg)));
  } catch (const std::exception& error) {
    return invalid(what, absl::StrCat("not valid YAML: ", OneLine(error.what())));
  }
  return builder.TakeRoot();
}

StatusOr<std::vector<YamlEntry>> EntriesOf(std::string_view what, const YamlNode& map) {
  const auto invalid = [&](const YamlNode& node, std::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(PlaceOf(what, node), ": ", message));
  };
  if (map.kind != YamlNode::Kind::kMap) {
    return invalid(map, absl::StrCat("expected lines of \"key: value\", got ", DescribeNode(map)));
  }
  std::vector<YamlEntry> entries;
  std::map<std::string_view, int> lines;
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const YamlNode& key = map.items[i];
    if (key.kind != YamlNode::Kind::kScalar) {
      return invalid(key, absl::StrCat("expected a key, got ", DescribeNode(key)));
    }
    const auto [first, is_new] = lines.emplace(key.text, key.line);
    if (!is_new) {
      return invalid(key, absl::StrCat("key ", DescribeNode(key), " is given twice, first in line ", first->second,
                                       "; remove one"));
    }
    entries.push_back({&key, &map.items[i + 1]});
  }
  return entries;
}

std::string PlaceOf(std::string_view what, const YamlNode& node) {
  return absl::StrCat(what, ":", node.line, ":", node.column);
}

std::string DescribeNode(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      return absl::StrCat("\"", OneLine(std::string_view(node.text).substr(0, 60)), "\"");
  }
  return "";
}

}  // namespace lwq::client
