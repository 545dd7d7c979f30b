// SPDX-License-Identifier: Apache-2.0
// Items out of published files, and texts as Python has them.
#include "common/eval_tasks/eval_task.h"

#include <string>
#include <vector>

#include "common/eval_tasks/item_file.h"
#include "common/eval_tasks/python_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq {
namespace {

using ::testing::HasSubstr;

StatusOr<std::vector<EvalItem>> Read(const std::string& task, const std::string& name, std::string_view contents,
                                     int64_t limit = 0) {
  return ReadEvalItems(*FindEvalTask(task), {.name = name, .contents = contents}, limit);
}

EvalItem OneItem(const std::string& task, const std::string& line) {
  const auto items = Read(task, "items.jsonl", line);
  EXPECT_TRUE(items.ok()) << items.status();
  return items.ok() && items->size() == 1 ? items->front() : EvalItem();
}

std::vector<std::string> Contexts(const EvalItem& item) {
  std::vector<std::string> contexts;
  for (const EvalChoice& choice : item.choices) contexts.push_back(choice.context);
  return contexts;
}

std::vector<std::string> Continuations(const EvalItem& item) {
  std::vector<std::string> continuations;
  for (const EvalChoice& choice : item.choices) continuations.push_back(choice.continuation);
  return continuations;
}

using Texts = std::vector<std::string>;

TEST(PythonTextTest, CapitalizeAndStripAndLengthAreThoseOfPython) {
  // Each as CPython 3.11 gives it.
  EXPECT_EQ(PythonCapitalize("hELLO World"), "Hello world");
  EXPECT_EQ(PythonCapitalize("ßtrange éclair ŉoise"), "Sstrange éclair ŉoise");
  EXPECT_EQ(PythonCapitalize("[step] PUT IT on"), "[step] put it on");
  EXPECT_EQ(PythonCapitalize("ǆungla"), "ǅungla");
  EXPECT_EQ(PythonCapitalize("éCOLE"), "École");
  EXPECT_EQ(PythonCapitalize("ΑΣ ΒΣΓ"), "Ας βσγ") << "a sigma at the end of a word";
  EXPECT_EQ(PythonCapitalize(""), "");
  EXPECT_EQ(PythonStrip("\x1c \u00a0\t a b\u3000\n"), "a b");
  EXPECT_EQ(PythonStrip(" \n"), "");
  EXPECT_EQ(PythonTrimmedEnd("a b \u00a0\n"), 3u);
  EXPECT_EQ(PythonLength("naïve 日本 🙂"), 10);
  EXPECT_EQ(WithoutBracketed("a [b] c[d\ne] f [g [h] i] j]"), "a  c[d\ne] f  i] j]");
}

TEST(EvalTaskTest, EachTaskAsksInTheHarnesssWords) {
  const EvalItem piqa = OneItem("piqa", R"({"goal":"open a jar","sol1":"twist it","sol2":"eat it","label":1})");
  EXPECT_EQ(Contexts(piqa), Texts(2, "Question: open a jar\nAnswer:"));
  EXPECT_EQ(Continuations(piqa), (Texts{" twist it", " eat it"}));
  EXPECT_EQ(piqa.gold, 1);
  EXPECT_EQ(piqa.choices[0].characters, 8) << "without the blank in front";

  const EvalItem boolq = OneItem("boolq", R"({"passage":"P.","question":"is it so","label":1})");
  EXPECT_EQ(Contexts(boolq).front(), "P.\nQuestion: is it so?\nAnswer:");
  EXPECT_EQ(Continuations(boolq), (Texts{" no", " yes"}));
  EXPECT_EQ(boolq.gold, 1);

  const EvalItem wino =
      OneItem("winogrande", R"({"sentence":"Al met Bo and _  left_. ","option1":"Al","option2":"Bo","answer":"2"})");
  EXPECT_EQ(Contexts(wino), (Texts{"Al met Bo and Al", "Al met Bo and Bo"}));
  EXPECT_EQ(Continuations(wino), Texts(2, " left_."));
  EXPECT_EQ(wino.gold, 1);

  const EvalItem swag = OneItem(
      "hellaswag",
      R"({"activity_label":"Home","ctx_a":"[header] Fold [title] It.","ctx_b":"PUT it","endings":[" [title] A.","B  c"],"label":"1"})");
  EXPECT_EQ(Contexts(swag).front(), "Home: Fold. It. Put it") << "marks go, and each two blanks become one";
  EXPECT_EQ(Continuations(swag), (Texts{"  A.", " B c"}));
  EXPECT_EQ(swag.gold, 1);
}

TEST(EvalTaskTest, LambadaAsksForWhatStandsBehindTheLastBlank) {
  for (const std::string task : {"lambada_openai", "lambada_standard"}) {
    const EvalItem item = OneItem(task, R"({"text":"a  b\nc d.\te","domain":null})");
    EXPECT_EQ(Contexts(item), Texts{"a  b\nc"}) << "other white space separates no words";
    EXPECT_EQ(Continuations(item), Texts{" d.\te"});
    EXPECT_EQ(Contexts(OneItem(task, R"({"text":"alone"})")), Texts{""});
    EXPECT_EQ(Continuations(OneItem(task, R"({"text":"alone"})")), Texts{" alone"});
  }
}

TEST(EvalTaskTest, APageOfWikitextIsOneTextAndKeepsTheWordsAndBytesThatWerePublished) {
  const EvalItem item = OneItem("wikitext", R"({"page":" = \u00c9 = \n 1 @,@ 250 coins . \n"})");
  EXPECT_EQ(Contexts(item), Texts{""});
  EXPECT_EQ(Continuations(item), Texts{" = \u00c9 =\n1,250 coins.\n"});
  EXPECT_EQ(item.words, 10);
  EXPECT_EQ(item.bytes, 29);
}

TEST(EvalTaskTest, TheLayoutsOfTheHubAndOfTheDataSetsThemselvesGiveTheSameItem) {
  const EvalItem hub =
      OneItem("arc_easy",
              R"({"id":"1","question":"Q?","choices":{"text":["a","b","c"],"label":["1","2","3"]},"answerKey":"3"})");
  const EvalItem ai2 = OneItem(
      "arc_easy",
      R"({"question":{"stem":"Q?","choices":[{"text":"a","label":"1"},{"text":"b","label":"2"},{"text":"c","label":"3"}]},)"
      R"("answerKey":"3"})");
  EXPECT_EQ(Contexts(hub), Texts(3, "Question: Q?\nAnswer:"));
  EXPECT_EQ(Contexts(hub), Contexts(ai2));
  EXPECT_EQ(Continuations(hub), (Texts{" a", " b", " c"}));
  EXPECT_EQ(Continuations(hub), Continuations(ai2));
  EXPECT_EQ(hub.gold, 2);
  EXPECT_EQ(ai2.gold, 2);
  const EvalItem open = OneItem(
      "openbookqa",
      R"({"question":{"stem":"The sun","choices":[{"text":"is hot","label":"A"},{"text":"sings","label":"B"}]},"answerKey":" A"})");
  EXPECT_EQ(Contexts(open).front(), "The sun");
  EXPECT_EQ(open.gold, 0) << "blanks before the answer go, as in the harness";
  EXPECT_EQ(OneItem("boolq", R"({"passage":"P","question":"q","answer":true,"title":"t"})").gold, 1);
  EXPECT_EQ(OneItem("piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":"1"})").gold, 1);
}

TEST(ItemFileTest, LinesArraysAndLimitsGiveItemsInOrder) {
  const std::string line = R"({"goal":"g","sol1":"a","sol2":"b","label":0})";
  EXPECT_EQ(Read("piqa", "a.jsonl", line + "\n\n" + line + "\n")->size(), 2u);
  EXPECT_EQ(Read("piqa", "a.json", "\n [" + line + "," + line + "]")->size(), 2u);
  EXPECT_EQ(Read("piqa", "a.jsonl", line + "\n" + line + "\n" + line, 2)->size(), 2u);
}

TEST(ItemFileTest, PiqasAnswersMayStandInAFileOfTheirOwn) {
  const std::string lines =
      "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n{\"goal\":\"h\",\"sol1\":\"a\",\"sol2\":\"b\"}\n";
  const auto read = [&](std::string_view labels) {
    return ReadEvalItems(
        *FindEvalTask("piqa"),
        {.name = "valid.jsonl", .contents = lines, .labels_name = "valid-labels.lst", .labels = labels}, 0);
  };
  const auto items = read("1\n0\n");
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ((*items)[0].gold, 1);
  EXPECT_EQ((*items)[1].gold, 0);
  EXPECT_EQ(MessageOf(read("1\n0\n1\n").status()), "valid-labels.lst has 3 labels for the 2 items of valid.jsonl");
  EXPECT_EQ(MessageOf(read("1\nx\n").status()), "valid-labels.lst line 2: \"x\" is no whole number");
  EXPECT_EQ(MessageOf(read("1\n").status()), "valid.jsonl line 2: label: is missing");
}

struct BadItems {
  const char* task;
  const char* lines;
  const char* problem;
};

class BadItemsTest : public ::testing::TestWithParam<BadItems> {};

TEST_P(BadItemsTest, AreRefusedInOneLineThatNamesFileLineAndField) {
  const auto items = Read(GetParam().task, "f.jsonl", GetParam().lines);
  ASSERT_TRUE(absl::IsInvalidArgument(items.status())) << items.status();
  EXPECT_THAT(std::string(MessageOf(items.status())), HasSubstr(GetParam().problem));
  EXPECT_EQ(MessageOf(items.status()).find('\n'), std::string_view::npos);
}

INSTANTIATE_TEST_SUITE_P(
    EachKind, BadItemsTest,
    ::testing::Values(
        BadItems{"piqa", "\n \n", "f.jsonl holds no item"}, BadItems{"piqa", "{\"goal\":\"g\"\n", "f.jsonl line 1"},
        BadItems{"piqa", "[1,2]", "f.jsonl record 1 is not a JSON object"},
        BadItems{"piqa", "\"text\"", "f.jsonl line 1 is not a JSON object"},
        BadItems{"piqa", "\n{\"goal\":\"\xff\"}", "f.jsonl line 2 is not UTF-8 at byte 9"},
        BadItems{"piqa", R"({"question":"Q"})", "f.jsonl line 1: goal: is missing"},
        BadItems{"piqa", R"({"goal":7,"sol1":"a","sol2":"b","label":0})", "line 1: goal: is not a text"},
        BadItems{"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":-1})",
                 "label: is -1, must be 0 to 1 (a split without answers cannot be scored)"},
        BadItems{"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":2})", "label: is 2, must be 0 to 1"},
        BadItems{"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":0.5})", "label: is neither a whole number"},
        BadItems{"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":"one"})", "label: is \"one\", must be 0 to 1"},
        BadItems{"hellaswag", R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":"d","label":"0"})",
                 "endings: is not a list of texts"},
        BadItems{"hellaswag", R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":["d"],"label":"0"})",
                 "endings: has 1 choice, must have 2 to 64"},
        BadItems{"hellaswag", R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":["d",3],"label":"0"})",
                 "endings[1]: is not a text"},
        BadItems{"hellaswag", R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":["d","e"],"label":""})",
                 "label: is \"\", must be 0 to 1 (a split without answers"},
        BadItems{"winogrande", R"({"sentence":"no gap","option1":"a","option2":"b","answer":"1"})",
                 "sentence: has no gap \"_\""},
        BadItems{"winogrande", R"({"sentence":"a _","option1":"a","option2":"b","answer":"3"})",
                 "answer: is \"3\", must be 1 to 2"},
        BadItems{"arc_easy", R"({"question":"Q","choices":{"text":["a","b"],"label":["A"]},"answerKey":"A"})",
                 "choices: has 2 texts and 1 labels"},
        BadItems{"arc_easy", R"({"question":"Q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"E"})",
                 "answerKey: is \"E\", the choices are labelled A, B"},
        BadItems{"arc_easy", R"({"question":{"stem":"Q","choices":[{"text":"a"}]},"answerKey":"A"})",
                 "question.choices[0]: label: is missing"},
        BadItems{"boolq", R"({"passage":"P","question":"q","label":"maybe"})", "label: is \"maybe\""},
        BadItems{"boolq", R"({"passage":"P","question":"q"})", "answer: is missing"},
        BadItems{"lambada_openai", R"({"page":"a b"})", "f.jsonl line 1: text: is missing"},
        BadItems{"lambada_openai", R"({"text":["a","b"]})", "f.jsonl line 1: text: is not a text"},
        BadItems{"lambada_openai", "{\"text\":\"a b\"}\n{\"text\":\"\"}", "f.jsonl line 2: text: is empty"},
        BadItems{"lambada_standard", R"({"text":"a b "})", "text: ends with a blank: there is no last word to ask for"},
        BadItems{"lambada_standard", "a passage a line", "f.jsonl line 1"},
        BadItems{"wikitext", R"({"text":" = A = "})", "f.jsonl line 1: page: is missing"},
        BadItems{"wikitext", R"({"page":""})", "page: is empty"},
        BadItems{"wikitext", R"({"page":null})", "page: is not a text"},
        BadItems{"wikitext", " = A = \n \n A page as raw text", "f.jsonl line 1"}));

std::string NestedChoices(const std::string& choices, const std::string& answer = "\"A\"") {
  return R"({"question":{"stem":"Q","choices":)" + choices + R"(},"answerKey":)" + answer + "}";
}

std::string ManyTexts(int count) {
  std::string texts = "\"a\"";
  for (int i = 1; i < count; ++i) texts += ",\"a\"";
  return texts;
}

TEST(ItemFileTest, MalformedRecordsOfEveryTaskAreRefusedInOneLine) {
  struct Malformed {
    std::string task;
    std::string record;
    std::string said;
  };
  const std::string swag = R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","label":0,"endings":[)";
  const std::vector<Malformed> all = {
      {"piqa", "{}", "goal: is missing"},
      {"piqa", R"({"goal":null,"sol1":"a","sol2":"b","label":0})", "goal: is not a text"},
      {"piqa", R"({"goal":"g","sol1":["a"],"sol2":"b","label":0})", "sol1: is not a text"},
      {"piqa", R"({"goal":"g","sol1":"a","label":0})", "sol2: is missing"},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":true})", "label: is neither a whole number"},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":[0]})", "label: is neither a whole number"},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":"0x1"})", "label: is \"0x1\""},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":"99999999999999999999"})", "label: is \"9999"},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":18446744073709551615})", "must be 0 to 1"},
      {"piqa", R"({"goal":"g","sol1":"a","sol2":"b","label":"\n1\n2"})", "must be 0 to 1"},
      {"hellaswag", R"({"activity_label":"a","ctx_a":"b","ctx_b":"c","endings":{},"label":0})", "not a list of texts"},
      {"hellaswag", swag + "]}", "endings: has 0 choices"},
      {"hellaswag", swag + ManyTexts(65) + "]}", "endings: has 65 choices, must have 2 to 64"},
      {"hellaswag", swag + R"("a",null]})", "endings[1]: is not a text"},
      {"winogrande", R"({"sentence":"a _","option1":"a","option2":"b","answer":""})", "answer: is \"\""},
      {"winogrande", R"({"sentence":"a _","option1":"a","option2":"b","answer":0})", "answer: is 0, must be 1 to 2"},
      {"winogrande", R"({"sentence":"","option1":"a","option2":"b","answer":1})", "sentence: has no gap"},
      {"winogrande", R"({"sentence":{"_":1},"option1":"a","option2":"b","answer":1})", "sentence: is not a text"},
      {"arc_easy", NestedChoices("{}"), "question.choices: is not a list"},
      {"arc_easy", NestedChoices("null"), "question.choices: is not a list"},
      {"arc_easy", NestedChoices("[]"), "question.choices: has 0 choices"},
      {"arc_easy", NestedChoices("[1,2]"), "question.choices[0]: text: is missing"},
      {"arc_easy", NestedChoices(R"([{"text":"a","label":1},{"text":"b","label":2}])"), "label: is not a text"},
      {"arc_easy", NestedChoices(R"([{"text":"a","label":"A"},{"text":"b","label":"B"}])", "0"), "answerKey: is not a"},
      {"arc_easy", R"({"question":"Q","choices":[],"answerKey":"A"})", "choices.text: is missing"},
      {"arc_challenge", R"({"question":"Q","choices":{"text":"ab","label":"AB"},"answerKey":"A"})",
       "not a list of texts"},
      {"arc_challenge", R"({"question":7,"choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"A"})",
       "question: is not a text"},
      {"openbookqa", R"({"question_stem":"Q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"A "})",
       "answerKey: is \"A"},
      {"openbookqa", R"({"question_stem":"Q","choices":{"text":["a","b"],"label":["A","B"]}})",
       "answerKey: is missing"},
      {"boolq", R"({"passage":"P","question":"q","answer":2})", "answer: is 2, must be 0 to 1"},
      {"boolq", R"({"passage":"P","question":"q","answer":null})", "answer: is neither a whole number"},
      {"boolq", R"({"passage":"P","answer":true})", "question: is missing"},
      {"lambada_openai", R"({"text":" "})", "ends with a blank"},
      {"wikitext", R"({"page":[" = A = "]})", "page: is not a text"},
  };
  for (const auto& [task, record, said] : all) {
    SCOPED_TRACE(task + " " + record.substr(0, 120));
    for (const std::string name : {"f.jsonl", "f.json"}) {
      const auto items = Read(task, name, name == "f.json" ? "[" + record + "]" : record);
      EXPECT_TRUE(absl::IsInvalidArgument(items.status())) << items.status();
      EXPECT_THAT(std::string(MessageOf(items.status())), ::testing::AllOf(HasSubstr(name), HasSubstr(said)));
      EXPECT_EQ(MessageOf(items.status()).find('\n'), std::string_view::npos);
    }
  }
}

TEST(ItemFileTest, FilesThatAreNoItemsAreRefusedByName) {
  EXPECT_EQ(MessageOf(Read("piqa", "a.csv", "x").status()),
            "a.csv is none of .jsonl, .json (either also as .gz) and .parquet");
  EXPECT_THAT(std::string(MessageOf(Read("piqa", "a.parquet", "x").status())),
              HasSubstr("a.parquet: is no Parquet file"));
  EXPECT_THAT(std::string(MessageOf(Read("piqa", "a.jsonl.gz", "x").status())), HasSubstr("a.jsonl.gz"));
  EXPECT_EQ(FindEvalTask("mmlu"), nullptr);
}

std::string ReadAll(const std::string& path) {
  return test::ReadFileOrEmpty(std::string(LWQ_SOURCE_DIR) + "/tests/" + path);
}

class ItemParquetTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ItemParquetTest, HoldTheItemsOfTheirLines) {
  const std::string task = GetParam();
  const auto lines = Read(task, "l.jsonl", ReadAll("numerics/golden/eval_tasks/items/" + task + ".jsonl"));
  const auto parquet = Read(task, "p.parquet", ReadAll("unit/common/golden/parquet/items/" + task + ".parquet"));
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_TRUE(parquet.ok()) << parquet.status();
  ASSERT_EQ(lines->size(), parquet->size());
  for (size_t i = 0; i < lines->size(); ++i) {
    EXPECT_EQ(Contexts((*lines)[i]), Contexts((*parquet)[i])) << i;
    EXPECT_EQ(Continuations((*lines)[i]), Continuations((*parquet)[i])) << i;
    EXPECT_EQ((*lines)[i].gold, (*parquet)[i].gold) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EachTask, ItemParquetTest,
                         ::testing::Values("piqa", "arc_easy", "arc_challenge", "hellaswag", "winogrande", "boolq",
                                           "openbookqa", "lambada_openai", "lambada_standard", "wikitext"),
                         [](const auto& instance) { return instance.param; });

TEST(ItemParquetFileTest, AFileOfAnotherTaskNamesTheColumnThatIsMissing) {
  const std::string arc = ReadAll("unit/common/golden/parquet/items/arc_easy.parquet");
  EXPECT_THAT(std::string(MessageOf(Read("piqa", "arc.parquet", arc).status())),
              HasSubstr("arc.parquet: has no column goal; its columns are"));
  EXPECT_THAT(std::string(MessageOf(Read("openbookqa", "arc.parquet", arc).status())),
              HasSubstr("has no column question_stem"));
}

TEST(ItemParquetFileTest, DamageIsAnErrorOrOtherItemsAndAlwaysEnds) {
  const std::string whole = ReadAll("unit/common/golden/parquet/items/hellaswag.parquet");
  ASSERT_GT(whole.size(), 100u);
  for (size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_FALSE(Read("hellaswag", "cut.parquet", whole.substr(0, size)).ok()) << size;
  }
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0xff);
    static_cast<void>(Read("hellaswag", "changed.parquet", changed).ok());
  }
}

}  // namespace
}  // namespace lwq
