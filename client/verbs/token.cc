// SPDX-License-Identifier: Apache-2.0
// lwq token: makes, lists and revokes the bearer tokens of a coordinator, in the file that it reads (--tokens). No
// coordinator is asked: whoever may write the file may do everything anyway.
#include <ctime>

#include "client/render/table.h"
#include "client/token/token_store.h"
#include "client/verbs/verb.h"
#include "common/text/duration.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct TokenOptions {
  bool json = false;
  std::string action;
  std::string file;
  std::string name;
  std::string role;
  std::vector<std::string> projects;
  bool all_projects = false;
  std::string expires = "90d";
  std::string out;
};

StatusOr<std::string> FileOf(const CliContext& context, const TokenOptions& options) {
  const std::string file = options.file.empty() ? context.environment("LWQ_TOKENS") : options.file;
  if (!file.empty()) return file;
  return absl::InvalidArgumentError("no file of tokens is named; give --tokens FILE, or set LWQ_TOKENS");
}

StatusOr<ProjectScope> ScopeOf(const TokenOptions& options) {
  if (options.all_projects != options.projects.empty()) {
    return absl::InvalidArgumentError("which projects is the token for? give --project NAME, or --all-projects");
  }
  if (options.all_projects) return ProjectScope::All();
  for (const std::string& project : options.projects) LWQ_RETURN_IF_ERROR(CheckProjectName(project));
  return ProjectScope::Of({options.projects.begin(), options.projects.end()});
}

StatusOr<std::optional<int64_t>> ExpiryOf(const TokenOptions& options, int64_t now_unix_s) {
  if (options.expires == "never") return std::nullopt;
  const std::optional<int64_t> duration_ms = ParseDurationMs(options.expires);
  if (duration_ms.has_value() && *duration_ms >= 1000) return now_unix_s + *duration_ms / 1000;
  return absl::InvalidArgumentError(absl::StrCat(
      "--expires ", options.expires, ": must be a whole number with one of s, m, h and d, as 90d, or never"));
}

Json ToJson(const TokenRecord& token, int64_t now_unix_s) {
  Json json = {{"name", token.name},
               {"id", token.id()},
               {"role", std::string(RoleName(token.role))},
               {"created", UtcText(token.created_unix_s)},
               {"expired", HasExpired(token, now_unix_s)}};
  json["projects"] = token.projects.all() ? Json("*") : Json(token.projects.names());
  json["expires"] = token.expires_unix_s.has_value() ? Json(UtcText(*token.expires_unix_s)) : Json();
  return json;
}

StatusOr<ExitCode> Create(const CliContext& context, const TokenOptions& options) {
  const int64_t now = std::time(nullptr);
  LWQ_ASSIGN_OR_RETURN(const std::string file, FileOf(context, options));
  NewToken wanted;
  wanted.name = options.name;
  if (options.role.empty())
    return absl::InvalidArgumentError("what may it do? give --role viewer, submitter, admin or worker");
  LWQ_ASSIGN_OR_RETURN(wanted.role, ParseRole(options.role));
  LWQ_ASSIGN_OR_RETURN(wanted.projects, ScopeOf(options));
  LWQ_ASSIGN_OR_RETURN(wanted.expires_unix_s, ExpiryOf(options, now));
  LWQ_ASSIGN_OR_RETURN(const MadeToken made, CreateToken(file, wanted, now));
  if (!options.out.empty()) {
    const Status written = WriteSecretFile(options.out, absl::StrCat(made.secret, "\n"));
    // A token that nobody has would only be in the way of its name.
    if (!written.ok()) (void)RevokeToken(file, made.record.id());
    LWQ_RETURN_IF_ERROR(written);
  }
  Json json = ToJson(made.record, now);
  if (options.out.empty()) json["token"] = made.secret;
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(json));
  } else if (options.out.empty()) {
    context.console->Out(made.secret);
  }
  if (!options.json) {
    context.console->Err(absl::StrCat(
        "token '", made.record.name, "': ", RoleName(made.record.role), " for ", made.record.projects.Text(), ", ",
        made.record.expires_unix_s.has_value() ? absl::StrCat("until ", UtcText(*made.record.expires_unix_s))
                                               : "for ever",
        options.out.empty() ? "; it is shown this once" : absl::StrCat("; written to ", options.out)));
  }
  return ExitCode::kOk;
}

StatusOr<ExitCode> List(const CliContext& context, const TokenOptions& options) {
  const int64_t now = std::time(nullptr);
  LWQ_ASSIGN_OR_RETURN(const std::string file, FileOf(context, options));
  LWQ_ASSIGN_OR_RETURN(const TokenFile tokens, ReadTokens(file));
  if (options.json) {
    Json list = Json::array();
    for (const TokenRecord& token : tokens.tokens) list.push_back(ToJson(token, now));
    context.console->OutText(reporting::PrettyJson({{"tokens", std::move(list)}}));
    return ExitCode::kOk;
  }
  Table table({{"name"}, {"id"}, {"role"}, {"projects"}, {"created"}, {"expires"}});
  for (const TokenRecord& token : tokens.tokens) {
    const std::string expires = !token.expires_unix_s.has_value() ? "never"
                                : HasExpired(token, now)          ? "expired"
                                                                  : UtcText(*token.expires_unix_s);
    table.AddRow({token.name, token.id(), std::string(RoleName(token.role)), token.projects.Text(),
                  UtcText(token.created_unix_s), expires});
  }
  context.console->OutText(table.Render());
  return ExitCode::kOk;
}

StatusOr<ExitCode> Revoke(const CliContext& context, const TokenOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::string file, FileOf(context, options));
  LWQ_ASSIGN_OR_RETURN(const TokenRecord revoked, RevokeToken(file, options.name));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"revoked", ToJson(revoked, std::time(nullptr))}}));
  } else {
    context.console->Out(absl::StrCat("token '", revoked.name, "' (", revoked.id(), ") is revoked"));
  }
  return ExitCode::kOk;
}

StatusOr<ExitCode> Token(const CliContext& context, const TokenOptions& options) {
  if (options.action == "list") {
    if (!options.name.empty()) return absl::InvalidArgumentError("lwq token list takes no name");
    return List(context, options);
  }
  if (options.name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("which token? give its name: lwq token ", options.action, " NAME"));
  }
  return options.action == "create" ? Create(context, options) : Revoke(context, options);
}

}  // namespace

void AddTokenVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<TokenOptions>();
  CLI::App* verb = AddVerb(root,
                           {"token", "Make, list or revoke the tokens that a coordinator asks for (--tokens)",
                            "lwq token create ci --tokens /etc/lwq/tokens.json --role submitter --project nightly"},
                           &options->json);
  verb->add_option("action", options->action,
                   "create (prints the token, this once; the file keeps its hash), list, or revoke (the coordinator "
                   "refuses it a second later)")
      ->required()
      ->check(CLI::IsMember({"create", "list", "revoke"}))
      ->type_name("ACTION");
  verb->add_option("name", options->name, "what logs call it; of revoke its id, too")->type_name("NAME");
  verb->add_option("--tokens", options->file, "the coordinator's file of tokens (default: the variable LWQ_TOKENS)")
      ->type_name("FILE");
  verb->add_option("--role", options->role, "of create: viewer, submitter, admin or worker")->type_name("ROLE");
  verb->add_option("--project", options->projects, "of create: a project it is for; may be repeated")
      ->type_name("NAME");
  verb->add_flag("--all-projects", options->all_projects, "of create: for all projects, and for runs without one");
  verb->add_option("--expires", options->expires, "of create: how long it is valid (s, m, h, d), or never")
      ->type_name("TIME")
      ->capture_default_str();
  verb->add_option("--out", options->out, "of create: write it to this file (mode 0600) and do not print it")
      ->type_name("FILE");
  verb->callback([=, &context] { *action = [=, &context] { return Token(context, *options); }; });
}

}  // namespace lwq::client
