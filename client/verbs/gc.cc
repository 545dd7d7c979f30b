// SPDX-License-Identifier: Apache-2.0
// lwq gc: deletes from the object store what the coordinator does not need. What that is: common/artifact/collector.h.
#include "client/base/format.h"
#include "client/render/table.h"
#include "client/verbs/verb.h"
#include "common/artifact/collector.h"
#include "common/text/duration.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct GcOptions {
  bool json = false;
  ServerFlags server;
  bool dry_run = false;
  bool everything = false;
  std::string grace = "24h";
};

std::string StepText(std::string_view doing, int64_t done, int64_t total) {
  return total > 0 ? absl::StrCat(doing, ": ", done, "/", total) : absl::StrCat(doing, ": ", done);
}

Json ToJson(const ObjectCount& count) {
  return {{"objects", count.objects}, {"bytes", count.bytes}};
}

Json ToJson(const CollectionReport& report, bool dry_run) {
  Json kinds = Json::object();
  for (const auto& [kind, counts] : report.kinds) {
    kinds[kind] = {{"kept", ToJson(counts.kept)}, {"young", ToJson(counts.young)}, {"garbage", ToJson(counts.garbage)}};
  }
  return {{"dry_run", dry_run}, {"kinds", std::move(kinds)}, {"deleted", ToJson(report.deleted)}};
}

void Add(const ObjectCount& count, ObjectCount& sum) {
  sum.objects += count.objects;
  sum.bytes += count.bytes;
}

void AddRow(const std::string& kind, const CollectionReport::Kind& counts, Table& table) {
  std::vector<std::string> cells = {kind};
  for (const ObjectCount* count : {&counts.kept, &counts.young, &counts.garbage}) {
    cells.push_back(count->objects == 0 ? "" : absl::StrCat(count->objects));
    cells.push_back(count->objects == 0 ? "" : FormatBytes(count->bytes));
  }
  table.AddRow(std::move(cells));
}

std::string CollectionText(const CollectionReport& report, bool dry_run) {
  Table table({{"kind"},
               {"needed", true},
               {"size", true},
               {"too young", true},
               {"size", true},
               {dry_run ? "to delete" : "garbage", true},
               {"size", true}});
  CollectionReport::Kind sum;
  for (const auto& [kind, counts] : report.kinds) {
    AddRow(kind, counts, table);
    Add(counts.kept, sum.kept);
    Add(counts.young, sum.young);
    Add(counts.garbage, sum.garbage);
  }
  AddRow("all", sum, table);
  std::string text = table.Render();
  if (report.work_unknown) {
    absl::StrAppend(&text,
                    "a task has been executed since before the coordinator started: until it has ended, nothing counts "
                    "as old enough\n");
  }
  if (dry_run) return text;
  return absl::StrCat(text, report.deleted.objects, " objects deleted, ", FormatBytes(report.deleted.bytes), "\n");
}

StatusOr<ExitCode> Collect(const CliContext& context, const GcOptions& options) {
  const std::optional<int64_t> grace_ms = ParseDurationMs(options.grace);
  if (!grace_ms.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--grace ", options.grace, ": must be a whole number with one of s, m, h and d, as 24h"));
  }
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const auto objects, connection->OpenObjects());
  LWQ_ASSIGN_OR_RETURN(const CollectionRoots first, connection->api()->ListRoots());
  if (first.artifacts.empty() && !options.everything && !options.dry_run) {
    return absl::FailedPreconditionError(absl::StrCat("no run of the coordinator at ", connection->api()->address(),
                                                      " needs anything of ", objects->Describe(),
                                                      ": is it the right one? --everything deletes all that is old"));
  }
  CollectionReport report;
  Status status;
  {
    LiveLine line(context.console);
    Collector collector(
        objects.get(), [&] { return connection->api()->ListRoots(); },
        {.grace_ms = *grace_ms, .dry_run = options.dry_run},
        [&](std::string_view doing, int64_t done, int64_t total) { line.Say(StepText(doing, done, total)); });
    status = collector.Run(report);
  }
  if (!status.ok()) {
    return Annotate(status, absl::StrCat("collection stopped after ", report.deleted.objects, " deletions, ",
                                         FormatBytes(report.deleted.bytes), "; run it again to go on"));
  }
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(ToJson(report, options.dry_run)));
  } else {
    context.console->OutText(CollectionText(report, options.dry_run));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddGcVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<GcOptions>();
  CLI::App* verb =
      AddVerb(root, {"gc", "Delete from the object store what no run needs and is old enough", "lwq gc --dry-run"},
              &options->json);
  verb->add_flag("--dry-run", options->dry_run, "only say what would be deleted");
  verb->add_option("--grace", options->grace,
                   "what was stored or used since then is kept (s, m, h, d): longer than an upload takes")
      ->type_name("TIME")
      ->capture_default_str();
  verb->add_flag("--everything", options->everything, "also where no run of the coordinator needs anything");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Collect(context, *options); }; });
}

}  // namespace lwq::client
