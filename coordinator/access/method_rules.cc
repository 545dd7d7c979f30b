// SPDX-License-Identifier: Apache-2.0
#include "coordinator/access/method_rules.h"

#include <map>
#include <string>

namespace lwq::coordinator {
namespace {

constexpr std::string_view kPackage = "/lwqat.v1.";

constexpr MethodRule kRules[] = {
#define LWQ_METHOD(service, method, role, rule) {Rpc::k##method, #service, #method, Role::role, ProjectRule::rule},
#include "coordinator/access/methods.inc"
#undef LWQ_METHOD
};

std::map<std::string, const MethodRule*, std::less<>> ByPath() {
  std::map<std::string, const MethodRule*, std::less<>> by_path;
  for (const MethodRule& rule : kRules) {
    by_path.emplace(std::string(kPackage) + std::string(rule.service) + "/" + std::string(rule.name), &rule);
  }
  return by_path;
}

}  // namespace

std::span<const MethodRule> MethodRules() {
  return kRules;
}

const MethodRule& RuleOf(Rpc rpc) {
  return kRules[static_cast<size_t>(rpc)];
}

const MethodRule* FindRule(std::string_view path) {
  static const auto& by_path = *new std::map<std::string, const MethodRule*, std::less<>>(ByPath());
  const auto found = by_path.find(path);
  return found == by_path.end() ? nullptr : found->second;
}

}  // namespace lwq::coordinator
