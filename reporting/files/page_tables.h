// SPDX-License-Identifier: Apache-2.0
// The tables of a report's page: every number that a plot shows stands in one of them. Pure.
#pragma once

#include "reporting/files/data_table.h"
#include "reporting/files/html.h"
#include "reporting/sweep/sweep_report.h"

namespace lwq::reporting {

HtmlTable ArmsTable(const SweepReport& report, size_t column);
HtmlTable EffectsTable(const SweepReport& report, size_t column);
HtmlTable ScoresTable(const ModelDepthScores& model);
HtmlTable CorrelationTable(const ModelDepthScores& model);
HtmlTable ArmCostTable(const SweepReport& report);
HtmlTable WorkersTable(const SweepReport& report);
HtmlTable TimelineWorkersTable(const Timeline& timeline);
HtmlTable TimelineTasksTable(const Timeline& timeline);
HtmlTable WithoutResultTable(const SweepReport& report);
HtmlTable RemarksTable(const SweepReport& report);
HtmlTable AllRunsTable(const SweepReport& report, const SweepRuns& sweep);

}  // namespace lwq::reporting
