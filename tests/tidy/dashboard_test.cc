// SPDX-License-Identifier: Apache-2.0
// The dashboard that the coordinator carries was made of the sources that are beside it: dashboard/dist/SOURCES.sha256
// has their digests, as scripts/dashboard found them.
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "common/digest/digest.h"
#include "gtest/gtest.h"

namespace lwq::tidy {
namespace {

const std::filesystem::path kRoot = LWQ_SOURCE_DIR;

std::string BytesOf(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// As dashboard/sources.mjs lists them.
std::map<std::string, std::string> SourcesNow() {
  std::map<std::string, std::string> digests;
  const auto add = [&](const std::filesystem::path& path) {
    digests[std::filesystem::relative(path, kRoot).string()] = DigestOf(BytesOf(path)).hex();
  };
  add(kRoot / "dashboard/package-lock.json");
  add(kRoot / "dashboard/licences.mjs");
  for (const char* folder : {"dashboard/src", "proto/lwqat/v1"}) {
    auto entries = std::filesystem::recursive_directory_iterator(kRoot / folder);
    for (auto entry = begin(entries); entry != end(entries); ++entry) {
      if (entry->path() == kRoot / "dashboard/src/gen") {
        entry.disable_recursion_pending();
        continue;
      }
      const std::string kind = entry->path().extension();
      for (const char* source : {".ts", ".tsx", ".css", ".html", ".proto"}) {
        if (kind == source) add(entry->path());
      }
    }
  }
  return digests;
}

TEST(DashboardTest, WhatTheCoordinatorCarriesIsMadeOfTheSourcesAsTheyAre) {
  std::map<std::string, std::string> made_of;
  std::istringstream lines(BytesOf(kRoot / "dashboard/dist/SOURCES.sha256"));
  for (std::string digest, path; lines >> digest >> path;) made_of[path] = digest;
  EXPECT_EQ(made_of, SourcesNow()) << "run scripts/dashboard, and commit dashboard/dist";
}

}  // namespace
}  // namespace lwq::tidy
