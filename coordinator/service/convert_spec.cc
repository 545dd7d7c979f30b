// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/convert_spec.h"

#include "google/protobuf/descriptor.h"

namespace lwq::coordinator {
namespace {

using google::protobuf::FieldDescriptor;

// The recipe's fields are many and named alike on both sides, so they are matched by name.
const FieldDescriptor& RecipeField(std::string_view name) {
  const FieldDescriptor* field = wire::Recipe::descriptor()->FindFieldByName(std::string(name));
  LWQ_CHECK(field != nullptr, "message Recipe has no field ", name);
  return *field;
}

void Get(const wire::Recipe& message, const FieldDescriptor& field, std::string& value) {
  value = message.GetReflection()->GetString(message, &field);
}
void Get(const wire::Recipe& message, const FieldDescriptor& field, int& value) {
  value = message.GetReflection()->GetInt32(message, &field);
}
void Get(const wire::Recipe& message, const FieldDescriptor& field, int64_t& value) {
  value = message.GetReflection()->GetInt64(message, &field);
}
void Get(const wire::Recipe& message, const FieldDescriptor& field, double& value) {
  value = message.GetReflection()->GetDouble(message, &field);
}
void Get(const wire::Recipe& message, const FieldDescriptor& field, bool& value) {
  value = message.GetReflection()->GetBool(message, &field);
}
template <RecipeChoice E>
void Get(const wire::Recipe& message, const FieldDescriptor& field, GivenWord<E>& value) {
  value = message.GetReflection()->GetString(message, &field);
}

void Set(wire::Recipe* message, const FieldDescriptor& field, const std::string& value) {
  message->GetReflection()->SetString(message, &field, value);
}
void Set(wire::Recipe* message, const FieldDescriptor& field, int value) {
  message->GetReflection()->SetInt32(message, &field, value);
}
void Set(wire::Recipe* message, const FieldDescriptor& field, int64_t value) {
  message->GetReflection()->SetInt64(message, &field, value);
}
void Set(wire::Recipe* message, const FieldDescriptor& field, double value) {
  message->GetReflection()->SetDouble(message, &field, value);
}
void Set(wire::Recipe* message, const FieldDescriptor& field, bool value) {
  message->GetReflection()->SetBool(message, &field, value);
}
template <RecipeChoice E>
void Set(wire::Recipe* message, const FieldDescriptor& field, const GivenWord<E>& value) {
  Set(message, field, value.text());
}
template <RecipeChoice E>
void Set(wire::Recipe* message, const FieldDescriptor& field, E value) {
  Set(message, field, std::string(WordOf(value)));
}

StatusOr<TextSource> TextFromWire(const wire::TextSource& message, std::string_view field) {
  TextSource text;
  text.name = message.name();
  LWQ_ASSIGN_OR_RETURN(text.files, FromWire(message.files(), absl::StrCat(field, ".files")));
  return text;
}

void TextToWire(const TextSource& text, wire::TextSource* message) {
  message->set_name(text.name);
  ToWire(text.files, message->mutable_files());
}

}  // namespace

StatusOr<ArtifactRef> FromWire(const wire::ArtifactRef& message, std::string_view field) {
  ArtifactRef artifact;
  if (message.digest().empty()) return artifact;  // absent; whether it may be is the core's to say
  StatusOr<Digest> digest = Digest::FromHex(message.digest());
  if (!digest.ok()) return Annotate(digest.status(), field);
  // Far from where sums of sizes overflow.
  constexpr int64_t kMaxArtifactBytes = int64_t{1} << 50;
  if (message.size_bytes() < 0 || message.size_bytes() > kMaxArtifactBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": size_bytes is ", message.size_bytes(), ", must be between 0 and ", kMaxArtifactBytes));
  }
  artifact.digest = *digest;
  artifact.size_bytes = message.size_bytes();
  return artifact;
}

void ToWire(const ArtifactRef& artifact, wire::ArtifactRef* message) {
  if (artifact.digest.is_zero()) return;
  message->set_digest(artifact.digest.hex());
  message->set_size_bytes(artifact.size_bytes);
}

PartialRecipe FromWire(const wire::Recipe& message) {
  PartialRecipe recipe;
  ForEachRecipeField(
      [&](std::string_view name, auto& value) {
        const FieldDescriptor& field = RecipeField(name);
        if (message.GetReflection()->HasField(message, &field)) Get(message, field, value.emplace());
      },
      recipe);
  return recipe;
}

void ToWire(const PartialRecipe& recipe, wire::Recipe* message) {
  ForEachRecipeField(
      [&](std::string_view name, const auto& value) {
        if (value.has_value()) Set(message, RecipeField(name), *value);
      },
      recipe);
}

void ToWire(const Recipe& recipe, wire::Recipe* message) {
  ForEachRecipeField([&](std::string_view name, const auto& value) { Set(message, RecipeField(name), value); }, recipe);
}

StatusOr<RunSpec> FromWire(const wire::RunSpec& message) {
  RunSpec spec;
  spec.name = message.name();
  if (message.has_model()) {
    ModelSource model;
    model.name = message.model().name();
    model.config_json = message.model().config_json();
    LWQ_ASSIGN_OR_RETURN(model.files, FromWire(message.model().files(), "model.files"));
    LWQ_ASSIGN_OR_RETURN(model.tokenizer, FromWire(message.model().tokenizer(), "model.tokenizer"));
    LWQ_ASSIGN_OR_RETURN(model.companions, FromWire(message.model().companions(), "model.companions"));
    model.uri = message.model().uri();
    spec.model = std::move(model);
  }
  if (message.has_calibration()) {
    LWQ_ASSIGN_OR_RETURN(spec.calibration, TextFromWire(message.calibration(), "calibration"));
  }
  for (const wire::TextSource& text : message.eval_texts()) {
    LWQ_ASSIGN_OR_RETURN(TextSource source, TextFromWire(text, "eval_texts"));
    spec.eval_texts.push_back(std::move(source));
  }
  for (const wire::TextSource& task : message.eval_tasks()) {
    LWQ_ASSIGN_OR_RETURN(TextSource source, TextFromWire(task, "eval_tasks"));
    spec.eval_tasks.push_back(std::move(source));
  }
  spec.recipe = FromWire(message.recipe());
  spec.sensitivity_scores.assign(message.sensitivity_scores().begin(), message.sensitivity_scores().end());
  spec.priority = message.priority();
  spec.project = message.project();
  spec.numerics_class = message.numerics_class();
  for (const auto& [name, base] : message.kind_classes()) {
    const StatusOr<TaskKind> kind = ParseTaskKind(name);
    if (!kind.ok()) return Annotate(kind.status(), "kind_classes");
    spec.kind_classes[*kind] = base;
  }
  return spec;
}

void ToWire(const RunSpec& spec, wire::RunSpec* message) {
  message->set_name(spec.name);
  if (spec.model.has_value()) {
    wire::ModelSource* model = message->mutable_model();
    model->set_name(spec.model->name);
    model->set_config_json(spec.model->config_json);
    ToWire(spec.model->files, model->mutable_files());
    ToWire(spec.model->tokenizer, model->mutable_tokenizer());
    ToWire(spec.model->companions, model->mutable_companions());
    model->set_uri(spec.model->uri);
  }
  if (spec.calibration.has_value()) TextToWire(*spec.calibration, message->mutable_calibration());
  for (const TextSource& text : spec.eval_texts) TextToWire(text, message->add_eval_texts());
  for (const TextSource& task : spec.eval_tasks) TextToWire(task, message->add_eval_tasks());
  ToWire(spec.recipe, message->mutable_recipe());
  message->mutable_sensitivity_scores()->Add(spec.sensitivity_scores.begin(), spec.sensitivity_scores.end());
  message->set_priority(spec.priority);
  message->set_project(spec.project);
  message->set_numerics_class(spec.numerics_class);
  for (const auto& [kind, base] : spec.kind_classes) {
    (*message->mutable_kind_classes())[std::string(TaskKindName(kind))] = base;
  }
}

}  // namespace lwq::coordinator
