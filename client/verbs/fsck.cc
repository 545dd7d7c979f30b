// SPDX-License-Identifier: Apache-2.0
// lwq fsck: whether the object store has what the coordinator says it has, and repair of what can be made again. What
// is looked at: common/artifact/verifier.h. What is done: client/pipeline/repair_plan.h.
#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "client/base/format.h"
#include "client/pipeline/repair.h"
#include "client/render/table.h"
#include "client/verbs/verb.h"
#include "common/artifact/task_result.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

struct FsckOptions {
  bool json = false;
  ServerFlags server;
  bool quick = false;
  bool repair = false;
  std::string from;
  int threads = 0;
};

// What a verification found, and what was done about it.
struct FsckOutcome {
  VerificationReport report;
  RepairPlan plan;
  std::optional<Repaired> repaired;
};

// "reading blobs: 12/80, 1.2 GiB of 8 GiB, 310 MiB/s, 0:22 left"
std::string StepText(const Verifier::Step& step, double seconds) {
  std::string text = absl::StrCat(step.doing, ": ", step.done);
  if (step.total > 0) absl::StrAppend(&text, "/", step.total);
  if (step.total_bytes == 0) return text;
  absl::StrAppend(&text, ", ", FormatBytes(step.done_bytes), " of ", FormatBytes(step.total_bytes));
  if (seconds <= 0 || step.done_bytes == 0) return text;
  const double rate = static_cast<double>(step.done_bytes) / seconds;
  return absl::StrCat(text, ", ", FormatBytes(static_cast<int64_t>(rate)), "/s, ",
                      FormatSeconds(static_cast<double>(step.total_bytes - step.done_bytes) / rate), " left");
}

// Draws steps, and measures the rate of the one that reads blobs from its beginning.
class StepLine {
 public:
  explicit StepLine(Console* console) : line_(console) {}
  void Say(const Verifier::Step& step) {
    if (step.doing != doing_) {
      doing_ = step.doing;
      began_ = std::chrono::steady_clock::now();
    }
    line_.Say(StepText(step, std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count()));
  }

 private:
  LiveLine line_;
  std::string doing_;
  std::chrono::steady_clock::time_point began_{};
};

std::string KeyOf(const Fault& fault) {
  return fault.is_record ? ResultKey(fault.object) : BlobKey(fault.object);
}

std::string PartText(const Damage& damage) {
  if (damage.fault.is_record) return "record";
  return damage.part.empty() ? "manifest" : damage.part;
}

std::string FaultText(const Fault& fault) {
  if (fault.found_bytes == kSizeUnknown) return std::string(FaultKindName(fault.kind));
  return absl::StrCat(fault.found_bytes, " bytes instead of ", fault.expected_bytes);
}

Json FsckCountJson(const ObjectCount& count) {
  return {{"objects", count.objects}, {"bytes", count.bytes}};
}

Json ToJson(const lwqat::v1::StoredArtifact& stored) {
  Json json = {{"run_id", stored.run_id()}, {"run_name", stored.run_name()}, {"what", stored.what()}};
  if (stored.has_artifact()) json["artifact"] = stored.artifact().digest();
  if (!stored.role().empty()) json["role"] = stored.role();
  return json;
}

Json ToJson(const Damage& damage) {
  Json json = ToJson(damage.artifact);
  json["part"] = PartText(damage);
  json["object"] = KeyOf(damage.fault);
  json["fault"] = FaultKindName(damage.fault.kind);
  if (damage.fault.expected_bytes != kSizeUnknown) json["expected_bytes"] = damage.fault.expected_bytes;
  if (damage.fault.found_bytes != kSizeUnknown) json["found_bytes"] = damage.fault.found_bytes;
  json["remedy"] = RemedyText(damage.remedy);
  return json;
}

Json ToJson(const FsckOutcome& outcome, bool quick) {
  const VerificationReport& report = outcome.report;
  Json damage = Json::array(), uploads = Json::array();
  for (const Damage& one : outcome.plan.damage) damage.push_back(ToJson(one));
  for (const auto& stored : outcome.plan.upload_again) uploads.push_back(ToJson(stored));
  Json json = {{"quick", quick},
               {"artifacts", report.artifacts},
               {"records", report.records},
               {"blobs", FsckCountJson(report.blobs)},
               {"verified", FsckCountJson(report.verified)},
               {"unneeded", FsckCountJson(report.unneeded)},
               {"damage", std::move(damage)},
               {"upload_again", std::move(uploads)}};
  if (outcome.repaired.has_value()) {
    json["repaired"] = {{"records_written", outcome.repaired->records_written},
                        {"blobs_removed", outcome.repaired->blobs_removed},
                        {"made_again", outcome.repaired->made_again},
                        {"given_up", outcome.repaired->given_up}};
  }
  return json;
}

std::string DamageTable(const RepairPlan& plan) {
  Table table({{"run"}, {"what"}, {"output"}, {"part"}, {"object"}, {"is"}, {"remedy"}});
  for (const Damage& damage : plan.damage) {
    table.AddRow({reporting::ShortId(damage.artifact.run_id()), OneLine(damage.artifact.what()), damage.artifact.role(),
                  OneLine(PartText(damage)), damage.fault.object.short_hex(), FaultText(damage.fault),
                  std::string(RemedyText(damage.remedy))});
  }
  return table.Render();
}

// "1 blob", "2 blobs".
std::string Counted(int64_t count, std::string_view one) {
  return absl::StrCat(count, " ", one, count == 1 ? "" : "s");
}

std::string RepairText(const Repaired& repaired) {
  return absl::StrCat("repaired: ", Counted(repaired.blobs_removed, "damaged blob"), " removed, ",
                      Counted(repaired.records_written, "record"), " written again, ",
                      Counted(repaired.made_again, "result"), " made again now, ", repaired.given_up,
                      " when somebody reads them\n");
}

std::string FsckText(const FsckOutcome& outcome, bool quick) {
  const VerificationReport& report = outcome.report;
  std::string text = outcome.plan.damage.empty() ? "" : DamageTable(outcome.plan);
  absl::StrAppend(&text, report.artifacts, " artifacts, ", report.blobs.objects, " blobs with ",
                  FormatBytes(report.blobs.bytes), ", ", report.records, " records of results: ");
  if (!report.faults.empty()) {
    absl::StrAppend(&text, report.faults.size(), report.faults.size() == 1 ? " object is" : " objects are",
                    " not what it should be\n");
  } else {
    absl::StrAppend(&text, quick ? "all there and of the right size\n" : "all there and whole\n");
  }
  if (report.unneeded.objects > 0) {
    absl::StrAppend(&text, Counted(report.unneeded.objects, "blob"), " with ", FormatBytes(report.unneeded.bytes),
                    " of none of them: lwq gc deletes what is old enough\n");
  }
  if (outcome.repaired.has_value()) {
    absl::StrAppend(&text, RepairText(*outcome.repaired));
  } else if (!outcome.plan.damage.empty()) {
    absl::StrAppend(&text,
                    "nothing was changed: lwq fsck --repair removes what is damaged and has results made again\n");
  }
  for (const auto& stored : outcome.plan.upload_again) {
    absl::StrAppend(&text, "run ", reporting::ShortId(stored.run_id()), " (", OneLine(stored.run_name()),
                    "): ", OneLine(stored.what()), ": submit the run again, which uploads it\n");
  }
  return text;
}

StatusOr<Digest> FromPrefix(std::string from) {
  if (from.size() < 2 * Digest::kBytes) from.resize(2 * Digest::kBytes, '0');
  const StatusOr<Digest> digest = Digest::FromHex(from);
  if (digest.ok()) return digest;
  return absl::InvalidArgumentError("--from: must be the beginning of a digest, as lwq fsck says it where it stops");
}

// What is left that nobody but a person can mend, or that was only found.
ExitCode ExitCodeOfFsck(const FsckOutcome& outcome) {
  if (outcome.plan.damage.empty()) return ExitCode::kOk;
  return outcome.repaired.has_value() && outcome.plan.upload_again.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

StatusOr<ExitCode> Fsck(const CliContext& context, const FsckOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const Digest from, FromPrefix(options.from));
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const auto objects, connection->OpenObjects());
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<lwqat::v1::StoredArtifact> stored;
  const auto ask = [&]() -> StatusOr<StoredClaims> {
    LWQ_ASSIGN_OR_RETURN(stored, connection->api()->ListArtifacts());
    return ClaimsOf(stored);
  };
  FsckOutcome outcome;
  Status status;
  {
    StepLine line(context.console);
    Verifier verifier(objects.get(), ask,
                      {.quick = options.quick, .threads = options.threads > 0 ? options.threads : cores, .from = from},
                      [&](const Verifier::Step& step) { line.Say(step); });
    status = verifier.Run(outcome.report);
  }
  outcome.plan = PlanRepairs(stored, outcome.report.faults);
  if (!status.ok()) {
    if (!outcome.plan.damage.empty()) context.console->Err(DamageTable(outcome.plan));
    if (!outcome.report.stopped_at.has_value()) return Annotate(status, "verification stopped, run it again");
    return Annotate(
        status, absl::StrCat("verification stopped after ", outcome.report.verified.objects, " blobs; lwq fsck --from ",
                             outcome.report.stopped_at->short_hex(), " goes on there"));
  }
  if (options.repair && !outcome.plan.damage.empty()) {
    LWQ_ASSIGN_OR_RETURN(outcome.repaired, Repair(connection->api(), objects.get(), outcome.plan));
  }
  context.console->OutText(options.json ? reporting::PrettyJson(ToJson(outcome, options.quick))
                                        : FsckText(outcome, options.quick));
  return ExitCodeOfFsck(outcome);
}

}  // namespace

void AddFsckVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<FsckOptions>();
  CLI::App* verb = AddVerb(
      root, {"fsck", "Verify that the object store has everything the coordinator relies on", "lwq fsck --quick"},
      &options->json);
  verb->add_flag("--quick", options->quick, "presence and sizes alone, without reading the bytes");
  verb->add_flag("--repair", options->repair,
                 "remove what is damaged, and have results made again; what was uploaded is named");
  verb->add_option("--from", options->from, "where a verification that was stopped goes on")->type_name("DIGEST");
  verb->add_option("--threads", options->threads, "blobs that are read at once; 0: as many as there are cores")
      ->type_name("N")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Fsck(context, *options); }; });
}

}  // namespace lwq::client
