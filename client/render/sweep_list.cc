// SPDX-License-Identifier: Apache-2.0
#include "client/render/sweep_list.h"

#include <map>

#include "absl/strings/str_join.h"
#include "client/base/format.h"
#include "client/render/run_text.h"
#include "client/render/table.h"
#include "common/status/status.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

std::map<std::string, std::string> Sorted(const lwqat::v1::Sweep::Member& member) {
  return {member.labels().begin(), member.labels().end()};
}

std::string StateText(const lwqat::v1::Sweep::Member& member) {
  return absl::StrCat(reporting::RunStateName(member.state()), member.paused() ? ", paused" : "");
}

}  // namespace

std::string LabelsText(const lwqat::v1::Sweep::Member& member) {
  const std::map<std::string, std::string> labels = Sorted(member);
  return labels.empty() ? "-" : OneLine(absl::StrJoin(labels, " ", absl::PairFormatter("=")));
}

std::string RenderSweepList(const std::vector<lwqat::v1::Sweep>& sweeps) {
  if (sweeps.empty()) return "no sweeps yet\n";
  Table table({{"id"}, {"submitted"}, {"name"}});
  for (const lwqat::v1::Sweep& sweep : sweeps) {
    table.AddRow({sweep.id(), TimeText(sweep.submitted_at()), OneLine(sweep.name())});
  }
  return table.Render();
}

std::string RenderSweep(const lwqat::v1::Sweep& sweep) {
  std::string text = absl::StrCat("sweep        ", sweep.id(), " ", OneLine(sweep.name()), "\nsubmitted    ",
                                  TimeText(sweep.submitted_at()), "\ntasks        ", sweep.tasks_done(), "/",
                                  sweep.tasks(), " done, each counted once\n");
  Table table({{"run"}, {"labels"}, {"state"}});
  for (const auto& member : sweep.members()) table.AddRow({member.run_id(), LabelsText(member), StateText(member)});
  return text + table.Render();
}

Json SweepToJson(const lwqat::v1::Sweep& sweep) {
  Json json = {{"id", sweep.id()},
               {"name", sweep.name()},
               {"tasks", sweep.tasks()},
               {"tasks_done", sweep.tasks_done()},
               {"runs", Json::array()}};
  if (sweep.has_submitted_at()) json["submitted_unix_s"] = sweep.submitted_at().seconds();
  for (const auto& member : sweep.members()) {
    json["runs"].push_back({{"run_id", member.run_id()},
                            {"labels", Sorted(member)},
                            {"state", reporting::RunStateName(member.state())},
                            {"paused", member.paused()}});
  }
  return json;
}

}  // namespace lwq::client
