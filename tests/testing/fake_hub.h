// SPDX-License-Identifier: Apache-2.0
// A Hub of our own, and the storage behind it, as a process on free ports of this machine: tests/testing/fake_hub.py,
// which says what it serves and how it fails.
//
// Thread-safety: one thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.h"
#include "common/json/json.h"
#include "tests/testing/process.h"

namespace lwq::test {

class FakeHub {
 public:
  // CHECKs that it starts.
  FakeHub();

  const std::string& endpoint() const { return endpoint_; }

  // The files of the folder, as they are now, become a new commit of the repository; its SHA-1. `more` as fake_hub.py
  // has it: {"private": true}.
  std::string Commit(const std::string& id, const std::string& folder, Json more = Json::object());

  // Of the next requests to the server ("hub", "storage") whose method and path are so, `times` fail so, after `skip`
  // that do not.
  void Fail(std::string_view kind, int times, std::string_view server, std::string_view contains = "",
            std::string_view method = "", int skip = 0);
  void ExpireSignedUrls();

  struct Request {
    std::string server;
    std::string method;
    std::string path;
    Json headers;  // names in lower case
  };
  // All so far, in order.
  std::vector<Request> Log();
  // Those of the log whose method and path are so.
  int Count(std::string_view server, std::string_view contains = "", std::string_view method = "");
  // How many are stalled now.
  int Waiting();

 private:
  std::string Ask(std::string_view method, std::string_view path, const std::string& body);
  TemporaryDirectory folder_;
  Process process_;
  std::string endpoint_;
  HttpClient http_;
};

}  // namespace lwq::test
