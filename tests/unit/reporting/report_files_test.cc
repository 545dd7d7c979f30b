// SPDX-License-Identifier: Apache-2.0
// The files of a report: CSV, JSON, Parquet and the page.
#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reporting/files/html.h"
#include "reporting/files/number_text.h"
#include "reporting/files/page.h"
#include "reporting/files/page_assets.h"
#include "reporting/files/parquet.h"
#include "reporting/files/run_page.h"
#include "reporting/files/run_report.h"
#include "reporting/files/runs_table.h"
#include "reporting/files/thrift_compact.h"
#include "tests/unit/reporting/sample_runs.h"
#include "tests/unit/reporting/sample_sweep.h"

namespace lwq::reporting {
namespace {

using test::SampleSweep;
using testing::HasSubstr;
using testing::Not;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

DataTable SampleTable() {
  DataTable table;
  table.columns = {
      {.name = "name", .type = DataType::kText, .cells = {"plain", "a,\"b\"\r\nc", " x", std::monostate(), ""}},
      {.name = "steps, all",
       .type = DataType::kInteger,
       .cells = {int64_t{-1}, std::monostate(), int64_t{1} << 40, int64_t{0}, int64_t{7}}},
      {.name = "ppl", .type = DataType::kReal, .cells = {0.1, -kInfinite, 1e300, std::monostate(), std::nan("")}}};
  return table;
}

TEST(ReportFilesTest, CsvIsQuotedWhereRfc4180WantsItAndRealsReadBackTheSame) {
  EXPECT_EQ(ToCsv(SampleTable()),
            "name,\"steps, all\",ppl\r\n"
            "plain,-1,0.1\r\n"
            "\"a,\"\"b\"\"\r\nc\",,-inf\r\n"
            "\" x\",1099511627776,1e+300\r\n"
            ",0,\r\n"
            "\"\",7,nan\r\n");
}

TEST(ReportFilesTest, JsonRowsHaveWhatIsAbsentOrNotFiniteAsNull) {
  const Json rows = RowsToJson(SampleTable());
  EXPECT_EQ(rows[1], Json::parse(R"({"name": "a,\"b\"\r\nc", "steps, all": null, "ppl": null})"));
  EXPECT_EQ(rows[2]["steps, all"], 1099511627776);
  EXPECT_EQ(rows[4], Json::parse(R"({"name": "", "steps, all": 7, "ppl": null})"));
}

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

TEST(ReportFilesTest, ThriftCompactWritesFieldsByTheirDistanceAndNumbersInZigZag) {
  ThriftCompactWriter writer;
  writer.I32(1, -1);
  writer.I64(3, 150);
  writer.Text(20, "ab");  // too far for a short header
  writer.BeginStruct(21);
  writer.I32(2, 1);
  writer.EndStruct();
  writer.BeginList(22, ThriftCompactWriter::Type::kI32, 2);
  writer.I32Element(1);
  writer.I32Element(-2);
  EXPECT_EQ(writer.Finish(), Bytes({0x15, 0x01, 0x26, 0xAC, 0x02, 0x08, 0x28, 0x02, 'a', 'b', 0x1C, 0x25, 0x02, 0x00,
                                    0x19, 0x25, 0x02, 0x03, 0x00}));
}

// scripts/check_parquet reads the same kind of file with pyarrow, pandas and polars.
TEST(ReportFilesTest, ParquetHasItsColumnsPagesAndFooterWhereReadersLookForThem) {
  DataTable table;
  table.columns = {{.name = "a", .type = DataType::kText, .cells = {"xy", std::monostate()}}};
  const auto file = ToParquet(table);
  ASSERT_TRUE(file.ok());
  const std::string page =
      Bytes({0x15, 0x00, 0x15, 0x1C, 0x15, 0x1C, 0x2C, 0x15, 0x04, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x00,
             0x00,                                         // page header: 14 bytes, 2 values
             4,    0,    0,    0,    2,    1,    2,    0,  // one value, one absent
             2,    0,    0,    0,    'x',  'y'});          // PLAIN
  EXPECT_EQ(file->substr(0, 4 + page.size()), "PAR1" + page);
  EXPECT_TRUE(file->ends_with("PAR1"));
  const auto at = [&](size_t from_end) { return static_cast<unsigned char>((*file)[file->size() - from_end]); };
  const size_t footer = at(8) | at(7) << 8;
  EXPECT_EQ(4 + page.size() + footer + 8, file->size());
}

TEST(ReportFilesTest, AParquetFileIsTheOneThatOtherProgramsWereSeenToRead) {
  const auto file = ToParquet(SampleTable());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(DigestOf(*file).short_hex(), "f00a70fcbfd4");
  DataTable empty = SampleTable();
  for (DataColumn& column : empty.columns) column.cells.clear();
  EXPECT_TRUE(ToParquet(empty).ok());
}

TEST(ReportFilesTest, NumbersHaveAsManyDigitsAsTheyAreWorth) {
  EXPECT_EQ(MetricText(1.64123), "1.6412");
  EXPECT_EQ(MetricText(25.503), "25.50");
  EXPECT_EQ(MetricText(772416), "7.72e+05");
  EXPECT_EQ(MetricText(kInfinite), "not finite");
  EXPECT_EQ(WithErrorText(31.0912, 0.2239), "31.09 ± 0.22");
  EXPECT_EQ(WithErrorText(1.618421, 0.0000361), "1.6184 ± < 0.0001");
  EXPECT_EQ(WithErrorText(2.5, std::nullopt), "2.5000");
  EXPECT_EQ(DifferenceText(-0.00725, 0.00077), "−0.0073 ± 0.0008");
  EXPECT_EQ(DifferenceText(0.5, 0.0), "+0.5000 ± 0");
  EXPECT_EQ(FixedText(-0.001, 2), "0.00");
  EXPECT_EQ(IntegerText(-1234567), "−1,234,567");
  EXPECT_EQ(ProbabilityText(0.0004), "< 0.001");
  EXPECT_EQ(DurationText(200), "3 min 20 s");
  EXPECT_EQ(DurationText(59.7), "1 min 00 s");
  EXPECT_EQ(DurationText(7500), "2 h 05 min");
  EXPECT_EQ(BytesText(1588512), "1.6 MB");
  EXPECT_EQ(TimesText(1'700'000'000, 1'700'000'060), "2023-11-14 22:13 – 22:14 UTC");
  EXPECT_EQ(TimesText(1'700'000'000, 1'700'086'400), "2023-11-14 22:13 – 2023-11-15 22:13 UTC");
}

TEST(ReportFilesTest, NothingInJsonEndsTheScriptThatItStandsIn) {
  const Json value = {{"name", "</script><!-- & \xE2\x80\xA8 \" '"}};
  const std::string text = JsonForScript(value);
  EXPECT_THAT(text, Not(HasSubstr("<")));
  EXPECT_THAT(text, Not(HasSubstr(">")));
  EXPECT_THAT(text, Not(HasSubstr("\xE2\x80\xA8")));
  EXPECT_EQ(Json::parse(text), value);
}

TEST(ReportFilesTest, ControlCharactersAndMarksOfHtmlAreEscaped) {
  EXPECT_EQ(EscapedHtml("<a href=\"x\">'&\x01\x7F\n"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\xEF\xBF\xBD\xEF\xBF\xBD\n");
}

constexpr char kHostile[] = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&amp;</title>";

SweepRuns HostileSweep() {
  SweepRuns sweep = SampleSweep();
  sweep.name = kHostile;
  sweep.runs[0].run.mutable_spec()->set_name(kHostile);
  sweep.runs[0].run.set_state(lwqat::v1::RUN_STATE_FAILED);
  sweep.runs[0].run.set_error(kHostile);
  sweep.runs[0].run.mutable_tasks(1)->set_state(lwqat::v1::TASK_STATE_FAILED);
  sweep.runs[0].run.mutable_tasks(1)->set_error(kHostile);
  sweep.runs[0].run.mutable_tasks(1)->set_worker(kHostile);
  for (SweepRun& run : sweep.runs) {
    run.labels[kHostile] = run.run.id();
    run.run.mutable_spec()->mutable_model()->set_name(kHostile);
    for (auto& measured : *run.run.mutable_measured()) {
      measured.set_dataset(kHostile);
    }
    auto* sensitivity = run.run.add_sensitivity();
    sensitivity->set_metric(kHostile);
    for (const double score : {1.0, 2.0}) sensitivity->add_scores(score);
  }
  return sweep;
}

std::string PageOfSweep(const SweepRuns& sweep) {
  const auto report = BuildSweepReport(sweep, std::nullopt);
  EXPECT_TRUE(report.ok()) << report.status();
  return RenderPage(sweep, *report);
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ReportPageTest, HostileNamesErrorsLabelsAndMetricsStandInItAsText) {
  const std::string page = PageOfSweep(HostileSweep());
  EXPECT_EQ(CountOf(page, "<script>alert"), 0u);
  EXPECT_EQ(CountOf(page.substr(0, page.find("<script")), "alert('x')"), 0u);  // in HTML its quotes are entities
  EXPECT_EQ(CountOf(page, "<img"), 0u);
  EXPECT_EQ(CountOf(page, "<script"), CountOf(PageOfSweep(SampleSweep()), "<script"));
  EXPECT_EQ(CountOf(page, "</script"), CountOf(page, "<script"));
  EXPECT_EQ(CountOf(page, "</title>"), 1u);
  EXPECT_THAT(page, HasSubstr("<title>&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)"));
}

TEST(ReportPageTest, EqualRunsMakeEqualBytes) {
  EXPECT_EQ(PageOfSweep(HostileSweep()), PageOfSweep(HostileSweep()));
}

TEST(ReportPageTest, ItsPolicyForbidsTheNetworkAndAllowsItsOwnScriptsAlone) {
  const std::string page = PageOfSweep(SampleSweep());
  EXPECT_THAT(page,
              HasSubstr("content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
                        "form-action 'none'; script-src 'sha256-"));
  EXPECT_EQ(CountOf(page, "'sha256-"), 4u);
  EXPECT_EQ(CountOf(page, "unsafe-eval"), CountOf(std::string(kVega), "unsafe-eval"));
  EXPECT_FALSE(std::regex_search(page.substr(0, page.find("<script")), std::regex("(src|href)=\"[^#d\"]")));
}

TEST(ReportPageTest, NoFileThatItCarriesEndsTheElementThatItStandsIn) {
  for (const std::string_view script : {kVega, kVegaLite, kVegaInterpreter, kPageScript}) {
    EXPECT_GT(script.size(), 1000u);
    EXPECT_EQ(script.find("</script"), std::string_view::npos);
    EXPECT_EQ(script.find("<!--"), std::string_view::npos);
  }
  EXPECT_EQ(kPageStyle.find("</style"), std::string_view::npos);
  EXPECT_EQ(kVegaLicences.find("-->"), std::string_view::npos);
  EXPECT_THAT(std::string(kVegaLicences), HasSubstr("University of Washington"));
}

TEST(ReportPageTest, ItsTablesHoldTheNumbersWithoutTheScript) {
  SweepRuns sweep = SampleSweep();
  const auto report = BuildSweepReport(sweep, 0);
  ASSERT_TRUE(report.ok());
  std::string page = RenderPage(sweep, *report);
  page = page.substr(0, page.find("<script"));
  EXPECT_THAT(page, HasSubstr("2.000 ± 0.058"));   // the arm's mean
  EXPECT_THAT(page, HasSubstr("−6.000 ± 0.058"));  // its difference to rtn at 2 bits, which knows no seed
  EXPECT_THAT(page, HasSubstr("−0.95 ± 0.44"));    // the method's effect, nats
  EXPECT_THAT(page, HasSubstr(">31.0</td>"));      // the arm's fair share of device-seconds
  EXPECT_THAT(page, HasSubstr("all succeeded"));
}

TEST(ReportPageTest, ASweepThatMeasuredNothingHasAPageAllTheSame) {
  SweepRuns sweep = SampleSweep();
  for (SweepRun& run : sweep.runs) run.run.clear_measured();
  EXPECT_THAT(PageOfSweep(sweep), HasSubstr("nothing measured"));
}

// A run whose block 0 and scales were trained, with what its tasks recorded.
lwqat::v1::Run TrainedRun() {
  lwqat::v1::Run run = test::FinishedRun();
  run.mutable_spec()->mutable_recipe()->set_wbits(3);
  run.mutable_spec()->mutable_recipe()->set_train_size(128);  // the default
  run.mutable_spec()->mutable_model()->mutable_files()->set_digest(std::string(64, 'e'));
  test::AddMeasured("fp", "perplexity", 2.0, 50'000, &run);
  for (int i = 0; i < 3; ++i) {
    auto& planned = *run.mutable_plan()->add_blocks();
    planned.set_layer_idx(i);
    planned.set_unit(i);
    planned.set_bit_width(3);
    planned.set_group_size(64);
  }
  lwqat::v1::Task& block = *run.add_tasks() = test::MakeTask("train_block", 0, lwqat::v1::TASK_STATE_SUCCEEDED);
  block.set_metrics_json(
      R"({"initial_val_loss": 4e-4, "best_val_loss": 1e-4, "final_val_loss": 1e-4, "steps": 8, "epochs_trained": 2,)"
      R"( "epochs": [{"epoch": 1, "train_loss": 3e-4, "val_loss": 2e-4}, {"epoch": 2, "train_loss": null}]})");
  block.set_seconds(3);
  block.set_peak_memory_bytes(2'000'000);
  block.set_worker("worker-1");
  block.mutable_started_at()->set_seconds(1000);
  block.mutable_finished_at()->set_seconds(1003);
  for (const int first : {2, 0}) {
    lwqat::v1::Task& scales = *run.add_tasks() = test::MakeTask("train_scales", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
    scales.set_key("scales " + std::to_string(first));
    scales.set_metrics_json(first == 0 ? R"({"first_step": 0, "train_losses": [1.5, 1.25]})"
                                       : R"({"first_step": 2, "train_losses": [1.125, null]})");
  }
  return run;
}

TEST(RunReportTest, ItHasPlanLossesCurvesCostRecipeAndDigestsOfTheRun) {
  const Json json = RunReportToJson(BuildRunReport(TrainedRun(), "1.2.3"));
  EXPECT_EQ(json["lwq_version"], "1.2.3");
  EXPECT_EQ(json["run"]["state"], "succeeded");
  EXPECT_EQ(json["layers"].size(), 3u);
  ASSERT_FALSE(json["curves"].empty());
  const Json& curve = json["curves"].back()["block"] == 0 ? json["curves"].back() : json["curves"].front();
  EXPECT_EQ(curve["title"], "train block 0");
  EXPECT_EQ(curve["epochs"][0]["val_loss"], 2e-4);
  EXPECT_TRUE(curve["epochs"][1]["train_loss"].is_null());
  EXPECT_EQ(json["scale_losses"], Json::parse("[1.5, 1.25, 1.125, null]")) << "segments in order of their steps";
  EXPECT_EQ(json["recipe_differences"], Json::parse(R"({"wbits": "3"})"));
  EXPECT_EQ(json["digests"]["result"], std::string(64, 'b'));
  EXPECT_EQ(json["digests"]["model"], std::string(64, 'e'));
  EXPECT_EQ(json["timeline"]["tasks"].size(), 1u);
  EXPECT_EQ(json["measured"][1]["subject"], "fp");
  const Json& kinds = json["cost"]["kinds"];
  const auto scales =
      std::find_if(kinds.begin(), kinds.end(), [](const Json& one) { return one["kind"] == "train_scales"; });
  ASSERT_NE(scales, kinds.end());
  EXPECT_EQ((*scales)["tasks"], 2);
}

TEST(RunPageTest, ItsTablesHoldTheNumbersWithoutTheScriptAndNothingIsAskedOfTheNetwork) {
  const std::string page = RenderRunPage(BuildRunReport(TrainedRun(), "1.2.3"));
  EXPECT_EQ(page, RenderRunPage(BuildRunReport(TrainedRun(), "1.2.3")));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  const std::string html = page.substr(0, page.find("<script"));
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=\"[^#d\"]")));
  EXPECT_THAT(html, HasSubstr("<p class=\"kind\">Run report</p>"));
  EXPECT_THAT(html, HasSubstr("full precision 2.0000"));
  for (const char* plot : {"bits", "losses", "curves", "scales", "timeline"}) {
    EXPECT_THAT(html, HasSubstr(absl::StrCat("data-plot=\"", plot, "\""))) << plot;
    EXPECT_THAT(std::string(kPageScript), HasSubstr(absl::StrCat("const ", plot, " = "))) << plot;
  }
  EXPECT_THAT(html, HasSubstr(">1.125</td>"));
  EXPECT_THAT(html, HasSubstr(std::string(64, 'b')));
  EXPECT_THAT(html, HasSubstr("1.2.3"));
}

TEST(RunPageTest, HostileNamesStandInItAsText) {
  lwqat::v1::Run run = TrainedRun();
  run.set_id(kHostile);
  run.set_error(kHostile);
  run.set_numerics_class(kHostile);
  (*run.mutable_kind_classes())[kHostile] = kHostile;
  run.mutable_spec()->set_name(kHostile);
  run.mutable_spec()->mutable_model()->set_name(kHostile);
  run.mutable_spec()->mutable_calibration()->set_name(kHostile);
  run.mutable_spec()->mutable_calibration()->mutable_files()->set_digest(kHostile);
  run.mutable_spec()->mutable_recipe()->set_block_bits(kHostile);
  run.mutable_plan()->add_remarks(kHostile);
  run.mutable_measured(0)->set_dataset(kHostile);
  run.mutable_measured(0)->set_metric(kHostile);
  for (lwqat::v1::Task& task : *run.mutable_tasks()) {
    task.set_title(kHostile);
    task.set_worker(kHostile);
  }
  auto* sensitivity = run.add_sensitivity();
  sensitivity->set_metric(kHostile);
  for (const double score : {1.0, 2.0, 3.0}) sensitivity->add_scores(score);
  const std::string page = RenderRunPage(BuildRunReport(run, kHostile));
  EXPECT_EQ(CountOf(page, "<script>alert"), 0u);
  EXPECT_EQ(CountOf(page, "<img"), 0u);
  EXPECT_EQ(CountOf(page, "</title>"), 1u);
  EXPECT_EQ(CountOf(page, "<script"), CountOf(RenderRunPage(BuildRunReport(TrainedRun(), "1")), "<script"));
  EXPECT_EQ(CountOf(page.substr(0, page.find("<script")), "alert('x')"), 0u);
}

TEST(RunPageTest, ARunThatHasDoneNothingHasAPageAllTheSame) {
  EXPECT_THAT(RenderRunPage(BuildRunReport(lwqat::v1::Run(), "1")), HasSubstr("nothing computed"));
}

}  // namespace
}  // namespace lwq::reporting
