// SPDX-License-Identifier: Apache-2.0
// What comments and documents name: files, folders, pages and headings of this repository. A name that leads nowhere is
// worse than none, so `tidy_test` fails on it.
//
// Looked at are the comments of C++, proto, CMake and YAML files and of scripts (with the doc strings of Python), and
// every line of a Markdown file. Four rules decide what a name is; everything else, such as a user's `config.json`, is
// text:
//   1. A word that ends in .h, .cc, .proto or .md names a file here: some file's path is the word, or ends in "/" and
//      the word. A file of another project stands in angle brackets: <immintrin.h>. BASE_MODEL_README.md is a file of
//      exports.
//   2. A word that begins with a top folder of this repository and "/" is the path of a file or folder. On a page, a
//      word that begins with a folder beside the page, or with "../", is one, too. "*" stands for any characters but
//      "/".
//   3. A relative link of a Markdown file leads to a file or folder; what stands behind "#" is a heading of that page.
//   4. `docs/spec.md, "Stored bits"` quotes a heading of that page, and so with every other page.
// A fifth rule refuses citations of texts that are not in the repository, each with what to cite in its place.
//
// Pure; thread-safe. Not here: which files there are (tidy_test.cc).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lwq::tidy {

// A run of text that a person reads, with its line breaks: a block of comment lines without their marks, or a page.
struct Prose {
  std::string path;  // of the file, from the root
  int line = 1;      // of its first line
  std::string text;
};

// The prose of a file, by what its name and its first line say it is; none for a file of another kind.
std::vector<Prose> ProseOf(const std::string& path, const std::string& content);

// The files of the repository, as far as names may lead to them.
class NamedFiles {
 public:
  // `content` is read for the headings of a Markdown file and nothing else.
  void Add(const std::string& path, const std::string& content);

  bool HasPath(const std::string& path) const;  // a file or folder, from the root; may hold "*"
  bool HasFileThatEndsIn(const std::string& name) const;
  bool IsTopFolder(std::string_view name) const;
  // The headings of a page, as written; empty where it is no page.
  const std::set<std::string>& HeadingsOf(const std::string& path) const;

 private:
  std::set<std::string> paths_;  // files and folders
  std::map<std::string, std::vector<std::string>> files_by_name_;
  std::map<std::string, std::set<std::string>> headings_;
};

// One line for every name that leads nowhere: where it is, what is wrong, what to do.
std::vector<std::string> ProblemsOf(const Prose& prose, const NamedFiles& files);

}  // namespace lwq::tidy
