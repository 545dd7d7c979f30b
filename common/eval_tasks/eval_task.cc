// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/eval_task.h"

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "common/eval_tasks/python_text.h"
#include "common/eval_tasks/wikitext.h"
#include "common/text/one_line.h"
#include "common/text/utf8.h"

namespace lwq {
namespace {

constexpr size_t kShownBytes = 40;
constexpr size_t kMaxChoices = 64;

Status BadField(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

// Of nested fields "question.stem". Null where one is missing.
const Json* FieldAt(const Json& record, std::string_view path) {
  const Json* value = &record;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    if (!value->is_object() || !value->contains(key)) return nullptr;
    value = &(*value)[key];
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return value;
}

StatusOr<const Json*> Need(const Json& record, std::string_view path) {
  const Json* value = FieldAt(record, path);
  if (value == nullptr) return BadField(path, "is missing");
  return value;
}

StatusOr<std::string> TextOf(const Json& value, std::string_view field) {
  if (!value.is_string()) return BadField(field, "is not a text");
  return value.get<std::string>();
}

StatusOr<std::string> TextAt(const Json& record, std::string_view path) {
  LWQ_ASSIGN_OR_RETURN(const Json* value, Need(record, path));
  return TextOf(*value, path);
}

StatusOr<std::vector<std::string>> TextsAt(const Json& record, std::string_view path) {
  LWQ_ASSIGN_OR_RETURN(const Json* list, Need(record, path));
  if (!list->is_array()) return BadField(path, "is not a list of texts");
  std::vector<std::string> texts;
  for (const Json& value : *list) {
    LWQ_ASSIGN_OR_RETURN(std::string text, TextOf(value, absl::StrCat(path, "[", texts.size(), "]")));
    texts.push_back(std::move(text));
  }
  return texts;
}

Status CheckChoiceCount(std::string_view field, size_t count) {
  if (count >= 2 && count <= kMaxChoices) return absl::OkStatus();
  return BadField(field,
                  absl::StrCat("has ", count, count == 1 ? " choice" : " choices", ", must have 2 to ", kMaxChoices));
}

// A whole number, as one or as a text of one, within 0 … count − 1 once `first` is taken off.
StatusOr<int64_t> GoldAt(const Json& record, std::string_view path, int64_t first, size_t count) {
  LWQ_ASSIGN_OR_RETURN(const Json* value, Need(record, path));
  int64_t number = first - 1;
  std::string shown;
  if (value->is_number_integer()) {
    number = value->get<int64_t>();
    shown = absl::StrCat(number);
  } else if (value->is_string()) {
    const std::string text = value->get<std::string>();
    shown = absl::StrCat("\"", OneLine(text, kShownBytes), "\"");
    if (!absl::SimpleAtoi(text, &number)) number = first - 1;
  } else {
    return BadField(path, "is neither a whole number nor a text of one");
  }
  const int64_t last = first + static_cast<int64_t>(count) - 1;
  if (number < first || number > last) {
    const std::string_view hint = shown == "-1" || shown == "\"\"" ? " (a split without answers cannot be scored)" : "";
    return BadField(path, absl::StrCat("is ", shown, ", must be ", first, " to ", last, hint));
  }
  return number - first;
}

EvalChoice ChoiceBehind(const std::string& context, const std::string& choice) {
  return {context, absl::StrCat(" ", choice), PythonLength(choice)};
}

EvalItem ItemOf(const std::string& context, const std::vector<std::string>& choices, int64_t gold) {
  EvalItem item{.choices = {}, .gold = gold};
  for (const std::string& choice : choices) item.choices.push_back(ChoiceBehind(context, choice));
  return item;
}

StatusOr<EvalItem> ReadPiqa(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string goal, TextAt(record, "goal"));
  LWQ_ASSIGN_OR_RETURN(std::string first, TextAt(record, "sol1"));
  LWQ_ASSIGN_OR_RETURN(std::string second, TextAt(record, "sol2"));
  LWQ_ASSIGN_OR_RETURN(const int64_t gold, GoldAt(record, "label", 0, 2));
  return ItemOf(absl::StrCat("Question: ", goal, "\nAnswer:"), {first, second}, gold);
}

// Texts and labels of the choices, as the Hub has them or as AI2 published them.
struct LabelledChoices {
  std::string question;
  std::vector<std::string> texts;
  std::vector<std::string> labels;
};

StatusOr<LabelledChoices> ReadLabelledChoices(const Json& record, std::string_view question_path) {
  LabelledChoices read;
  const Json* nested = FieldAt(record, "question.choices");
  if (nested == nullptr) {
    LWQ_ASSIGN_OR_RETURN(read.question, TextAt(record, question_path));
    LWQ_ASSIGN_OR_RETURN(read.texts, TextsAt(record, "choices.text"));
    LWQ_ASSIGN_OR_RETURN(read.labels, TextsAt(record, "choices.label"));
    if (read.labels.size() != read.texts.size()) {
      return BadField("choices", absl::StrCat("has ", read.texts.size(), " texts and ", read.labels.size(), " labels"));
    }
    LWQ_RETURN_IF_ERROR(CheckChoiceCount("choices", read.texts.size()));
    return read;
  }
  LWQ_ASSIGN_OR_RETURN(read.question, TextAt(record, "question.stem"));
  if (!nested->is_array()) return BadField("question.choices", "is not a list");
  for (const Json& choice : *nested) {
    const std::string place = absl::StrCat("question.choices[", read.texts.size(), "]");
    StatusOr<std::string> text = TextAt(choice, "text");
    if (!text.ok()) return Annotate(text.status(), place);
    StatusOr<std::string> label = TextAt(choice, "label");
    if (!label.ok()) return Annotate(label.status(), place);
    read.texts.push_back(*std::move(text));
    read.labels.push_back(*std::move(label));
  }
  LWQ_RETURN_IF_ERROR(CheckChoiceCount("question.choices", read.texts.size()));
  return read;
}

StatusOr<int64_t> GoldByLabel(const Json& record, const LabelledChoices& choices, bool strips) {
  LWQ_ASSIGN_OR_RETURN(std::string answer, TextAt(record, "answerKey"));
  if (strips) answer.erase(0, LeadingSpaceEnd(answer));
  const auto found = std::find(choices.labels.begin(), choices.labels.end(), answer);
  if (found == choices.labels.end()) {
    return BadField("answerKey", absl::StrCat("is \"", OneLine(answer, kShownBytes), "\", the choices are labelled ",
                                              OneLine(absl::StrJoin(choices.labels, ", "), 80)));
  }
  return found - choices.labels.begin();
}

StatusOr<EvalItem> ReadArc(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const LabelledChoices choices, ReadLabelledChoices(record, "question"));
  LWQ_ASSIGN_OR_RETURN(const int64_t gold, GoldByLabel(record, choices, /*strips=*/false));
  return ItemOf(absl::StrCat("Question: ", choices.question, "\nAnswer:"), choices.texts, gold);
}

StatusOr<EvalItem> ReadOpenBookQa(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const LabelledChoices choices, ReadLabelledChoices(record, "question_stem"));
  LWQ_ASSIGN_OR_RETURN(const int64_t gold, GoldByLabel(record, choices, /*strips=*/true));
  return ItemOf(choices.question, choices.texts, gold);
}

// WikiHow's marks go, and each two blanks become one, once.
std::string WithoutMarks(std::string_view text) {
  const std::string titled = ReplaceAll(PythonStrip(text), " [title]", ". ");
  return ReplaceAll(WithoutBracketed(titled), "  ", " ");
}

StatusOr<EvalItem> ReadHellaSwag(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string activity, TextAt(record, "activity_label"));
  LWQ_ASSIGN_OR_RETURN(const std::string first, TextAt(record, "ctx_a"));
  LWQ_ASSIGN_OR_RETURN(const std::string second, TextAt(record, "ctx_b"));
  LWQ_ASSIGN_OR_RETURN(std::vector<std::string> endings, TextsAt(record, "endings"));
  LWQ_RETURN_IF_ERROR(CheckChoiceCount("endings", endings.size()));
  LWQ_ASSIGN_OR_RETURN(const int64_t gold, GoldAt(record, "label", 0, endings.size()));
  for (std::string& ending : endings) ending = WithoutMarks(ending);
  return ItemOf(WithoutMarks(absl::StrCat(activity, ": ", first, " ", PythonCapitalize(second))), endings, gold);
}

// Every choice has a context of its own, and what follows the gap is scored behind each.
StatusOr<EvalItem> ReadWinoGrande(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string sentence, TextAt(record, "sentence"));
  LWQ_ASSIGN_OR_RETURN(const std::string first, TextAt(record, "option1"));
  LWQ_ASSIGN_OR_RETURN(const std::string second, TextAt(record, "option2"));
  LWQ_ASSIGN_OR_RETURN(const int64_t gold, GoldAt(record, "answer", 1, 2));
  const size_t gap = sentence.find('_');
  if (gap == std::string::npos) return BadField("sentence", "has no gap \"_\"");
  const std::string rest(PythonStrip(std::string_view(sentence).substr(gap + 1)));
  EvalItem item{.choices = {}, .gold = gold};
  for (const std::string& option : {first, second}) {
    item.choices.push_back(ChoiceBehind(absl::StrCat(sentence.substr(0, gap), option), rest));
  }
  return item;
}

StatusOr<EvalItem> ReadBoolQ(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string passage, TextAt(record, "passage"));
  LWQ_ASSIGN_OR_RETURN(const std::string question, TextAt(record, "question"));
  const std::string_view field = FieldAt(record, "label") != nullptr ? "label" : "answer";
  LWQ_ASSIGN_OR_RETURN(const Json* answer, Need(record, field));
  int64_t gold = 0;
  if (answer->is_boolean()) {
    gold = answer->get<bool>() ? 1 : 0;
  } else {
    LWQ_ASSIGN_OR_RETURN(gold, GoldAt(record, field, 0, 2));
  }
  return ItemOf(absl::StrCat(passage, "\nQuestion: ", question, "?\nAnswer:"), {"no", "yes"}, gold);
}

// Words are what blanks separate: text.split(' ').
StatusOr<EvalItem> ReadLambada(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string text, TextAt(record, "text"));
  if (text.empty()) return BadField("text", "is empty");
  const size_t blank = text.rfind(' ');
  const std::string word = blank == std::string::npos ? text : text.substr(blank + 1);
  if (word.empty()) return BadField("text", "ends with a blank: there is no last word to ask for");
  const std::string context = blank == std::string::npos ? "" : text.substr(0, blank);
  return ItemOf(context, {word}, 0);
}

StatusOr<EvalItem> ReadWikitext(const Json& record) {
  LWQ_ASSIGN_OR_RETURN(const std::string page, TextAt(record, "page"));
  if (page.empty()) return BadField("page", "is empty");
  const std::string text = DetokenizedWikitext(page);
  return EvalItem{
      .choices = {{"", text, PythonLength(text)}}, .gold = 0, .words = WikitextWords(page), .bytes = std::ssize(page)};
}

constexpr auto kPiqaColumns = std::to_array<EvalColumn>({{"goal"}, {"sol1"}, {"sol2"}, {"label"}});
constexpr auto kArcColumns =
    std::to_array<EvalColumn>({{"question"}, {"choices.text", true}, {"choices.label", true}, {"answerKey"}});
constexpr auto kHellaSwagColumns =
    std::to_array<EvalColumn>({{"activity_label"}, {"ctx_a"}, {"ctx_b"}, {"endings", true}, {"label"}});
constexpr auto kWinoGrandeColumns = std::to_array<EvalColumn>({{"sentence"}, {"option1"}, {"option2"}, {"answer"}});
constexpr auto kBoolQColumns =
    std::to_array<EvalColumn>({{"passage"}, {"question"}, {"label", false, true}, {"answer", false, true}});
constexpr auto kOpenBookQaColumns =
    std::to_array<EvalColumn>({{"question_stem"}, {"choices.text", true}, {"choices.label", true}, {"answerKey"}});
constexpr auto kLambadaColumns = std::to_array<EvalColumn>({{"text"}});
constexpr auto kWikitextColumns = std::to_array<EvalColumn>({{"page"}});

constexpr auto kTasks = std::to_array<EvalTask>({
    {"piqa", true, kPiqaColumns, ReadPiqa, true},
    {"arc_easy", true, kArcColumns, ReadArc},
    {"arc_challenge", true, kArcColumns, ReadArc},
    {"hellaswag", true, kHellaSwagColumns, ReadHellaSwag},
    {"winogrande", false, kWinoGrandeColumns, ReadWinoGrande},
    {"boolq", false, kBoolQColumns, ReadBoolQ},
    {"openbookqa", true, kOpenBookQaColumns, ReadOpenBookQa},
    {"lambada_openai", false, kLambadaColumns, ReadLambada, false, EvalForm::kLastWord},
    {"lambada_standard", false, kLambadaColumns, ReadLambada, false, EvalForm::kLastWord},
    {"wikitext", false, kWikitextColumns, ReadWikitext, false, EvalForm::kDocument},
});
static_assert(std::equal(kTasks.begin(), kTasks.end(), kEvalTaskNames.begin(), kEvalTaskNames.end(),
                         [](const EvalTask& task, std::string_view name) { return task.name == name; }));
static_assert(std::all_of(kTasks.begin(), kTasks.end(), [](const EvalTask& task) {
  const bool is_named =
      std::find(kDocumentTaskNames.begin(), kDocumentTaskNames.end(), task.name) != kDocumentTaskNames.end();
  return is_named == (task.form == EvalForm::kDocument);
}));

}  // namespace

std::span<const EvalTask> AllEvalTasks() {
  return kTasks;
}

const EvalTask* FindEvalTask(std::string_view name) {
  const auto found =
      std::find_if(kTasks.begin(), kTasks.end(), [name](const EvalTask& task) { return task.name == name; });
  return found == kTasks.end() ? nullptr : &*found;
}

}  // namespace lwq
