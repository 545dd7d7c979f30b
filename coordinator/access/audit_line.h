// SPDX-License-Identifier: Apache-2.0
// A line of the audit log: who did what to which, and with what result. Pure; thread-safe.
//
// JSON in one line; docs/security.md has its keys. No line holds a token, whatever was sent, and what callers wrote is
// cut and cleaned (OneLine).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace lwq::coordinator {

struct AuditEntry {
  int64_t unix_ms = 0;
  std::string who;          // name of the token, "anybody", or "" where the caller is not known
  std::string token;        // id of the token
  std::string certificate;  // the subject of the caller's, with mutual TLS
  std::string peer;         // "ipv4:10.0.0.7:51212"
  std::string method;       // "RunService/CancelRun"
  // What the request is about: "run_id", "project", …, and what it made.
  std::map<std::string, std::string> which;
  std::string result;   // "OK", "PERMISSION_DENIED", …
  std::string message;  // of an error
  std::string trace_id;
};

// With its line feed.
std::string AuditLine(const AuditEntry& entry);

}  // namespace lwq::coordinator
