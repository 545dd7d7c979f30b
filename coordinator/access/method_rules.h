// SPDX-License-Identifier: Apache-2.0
// Which calls there are, and who may make them: the rows of methods.inc as values. Pure; thread-safe.
#pragma once

#include <span>
#include <string_view>

#include "common/access/role.h"

namespace lwq::coordinator {

enum class Rpc {
#define LWQ_METHOD(service, method, role, rule) k##method,
#include "coordinator/access/methods.inc"
#undef LWQ_METHOD
};

// Which projects a call concerns, so that it is allowed to those alone who are for all of them.
enum class ProjectRule {
  kNone,      // none: what it tells is everybody's
  kNamed,     // those that the specs in the request name
  kOfRun,     // that of each run the request names
  kOfSweep,   // those of the runs of the sweep the request names
  kFiltered,  // the answer leaves out, or blanks, what is of others
  kAll,       // all there are: who is for some only is refused
  kOfWorker,  // those the worker is registered for; its later calls are its own alone
};

struct MethodRule {
  Rpc rpc;
  std::string_view service;  // "RunService"
  std::string_view name;     // "GetRun"
  Role least;
  ProjectRule projects;
};

// All rows, in the order of Rpc.
std::span<const MethodRule> MethodRules();
const MethodRule& RuleOf(Rpc rpc);
// The row of "/lwqat.v1.RunService/GetRun", as gRPC names it; null: another's method.
const MethodRule* FindRule(std::string_view path);

}  // namespace lwq::coordinator
