// SPDX-License-Identifier: Apache-2.0
// A strict S3 server of our own as a process on a free port of this machine: tests/testing/fake_s3.py, which says what
// it verifies and how it fails.
//
// Thread-safety: one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.h"
#include "common/json/json.h"
#include "common/object_store/open_store.h"
#include "tests/testing/process.h"

namespace lwq::test {

class FakeS3 {
 public:
  // `arguments` of fake_s3.py beside --port-file. CHECKs that it starts.
  explicit FakeS3(const std::vector<std::string>& arguments = {});

  const std::string& endpoint() const { return endpoint_; }
  // "s3://bucket/PREFIX?endpoint=…", and `options` ("&part_mib=5") behind it.
  std::string Uri(std::string_view prefix, std::string_view options = "") const;
  // Credentials that it takes, and waits between attempts that take no time.
  StoreContext Context() const;
  std::unique_ptr<ObjectStore> Open(std::string_view prefix, std::string_view options = "") const;

  // The next `times` requests with this method ("" for any) whose path and query contain `contains` fail so.
  void Fail(std::string_view kind, int times, std::string_view method = "", std::string_view contains = "");
  // Counts: "requests", "faults", "uploads" (begun and neither completed nor aborted), "GET", ….
  int64_t Count(const std::string& name);

 private:
  std::string Ask(std::string_view method, std::string_view path, std::string_view body);
  TemporaryDirectory folder_;
  Process process_;
  std::string endpoint_;
  HttpClient http_;
};

// Credentials of FakeS3 as an environment with nothing else in it.
Environment FakeS3Environment();

}  // namespace lwq::test
