// SPDX-License-Identifier: Apache-2.0
#include "reporting/files/page_sections.h"

#include "absl/strings/str_cat.h"
#include "reporting/files/html.h"
#include "reporting/files/number_text.h"
#include "reporting/files/page_tables.h"

namespace lwq::reporting {

PageSection SensitivitySection(const std::vector<ModelDepthScores>& models) {
  PageSection section{.id = "sensitivity", .title = "Sensitivity by depth", .html = {}};
  for (size_t i = 0; i < models.size(); ++i) {
    const ModelDepthScores& model = models[i];
    section.html +=
        FigureHtml("depth", i, absl::StrCat("Sensitivity of the blocks of ", model.model, " by depth"),
                   absl::StrCat("Blocks of ", model.model,
                                " by depth; each metric is divided by its largest score, since their units differ."));
    if (model.metrics.size() > 1) {
      section.html += FigureHtml("correlation", i, absl::StrCat("Rank correlation of the metrics on ", model.model),
                                 "Spearman's rank correlation: how alike two metrics order the blocks.");
      section.html +=
          FoldedHtml(absl::StrCat("Rank correlations on ", model.model), RenderHtmlTable(CorrelationTable(model)));
    }
    section.html += FoldedHtml(absl::StrCat("Scores of ", model.model), RenderHtmlTable(ScoresTable(model)));
  }
  return section;
}

PageSection TimelineSection(const Timeline& timeline) {
  PageSection section{.id = "timeline", .title = "Handoff over time", .html = {}, .link = "Timeline"};
  section.html += FigureHtml(
      "timeline", 0, "When each worker executed which task",
      "Every task that was executed for these runs, on its worker's lane; within a lane each purpose has a row of its "
      "own. Gaps are waits: for the activations of the block before, or for other runs.");
  if (timeline.left_out > 0) {
    section.html += ParagraphHtml(absl::StrCat("The ", IntegerText(static_cast<int64_t>(timeline.tasks.size())),
                                               " longest tasks are shown; ", IntegerText(timeline.left_out),
                                               " shorter ones are not, but count in the table."));
  }
  section.html += RenderHtmlTable(TimelineWorkersTable(timeline));
  section.html += FoldedHtml("Tasks in the order in which they began", RenderHtmlTable(TimelineTasksTable(timeline)));
  return section;
}

}  // namespace lwq::reporting
