// SPDX-License-Identifier: Apache-2.0
#include "client/render/completion_script.h"

namespace lwq::client {
namespace {

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) absl::StrAppend(&text, text.empty() ? "" : " ", word);
  return text;
}

// For a single-quoted shell word; `drop` are characters the shell's own syntax would read.
std::string Quotable(const std::string& text, const std::string& drop) {
  std::string clean;
  for (const char c : text)
    clean += c == '\'' ? std::string("’") : drop.find(c) != std::string::npos ? std::string(" ") : std::string(1, c);
  return clean;
}

std::vector<std::string> FlagNames(const CompletionVerb& verb) {
  std::vector<std::string> names;
  for (const CompletionFlag& flag : verb.flags) names.push_back(flag.name);
  return names;
}

// What follows lwq and a verb, in every shell: the ids of its table, and nothing where no coordinator answers in a
// second.
constexpr char kIdsOfTable[] = " --timeout 1 2>/dev/null | tail -n +2 | cut -d ' ' -f 1";

std::string Bash(const std::vector<CompletionVerb>& verbs) {
  std::vector<std::string> names;
  std::string cases;
  std::string values;
  for (const CompletionVerb& verb : verbs) {
    names.push_back(verb.name);
    absl::StrAppend(&cases, "    ", verb.name, ") flags='", Join(FlagNames(verb)), "'; words='", Join(verb.words), "'",
                    verb.ids_of.empty() ? "" : absl::StrCat("; ids='", verb.ids_of, "'"), " ;;\n");
    for (const CompletionFlag& flag : verb.flags) {
      if (!flag.takes_value) continue;
      const std::string reply = flag.choices.empty()
                                    ? "compgen -f -- \"$current\""
                                    : absl::StrCat("compgen -W '", Join(flag.choices), "' -- \"$current\"");
      absl::StrAppend(&values, "    ", verb.name, ":", flag.name, ") COMPREPLY=($(", reply, ")); return ;;\n");
    }
  }
  return absl::StrCat(
      "# bash completion of lwq: source <(lwq completion bash)\n"
      "_lwq() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} flags= "
      "words= ids=\n"
      "  COMPREPLY=()\n"
      "  # Bash takes the = of --flag=value for a word.\n"
      "  if [ \"$current\" = = ]; then current=; elif [ \"$previous\" = = ]; then "
      "previous=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '",
      Join(names),
      " --help --version' -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"$verb:$previous\" in\n",
      values,
      "  esac\n"
      "  case \"$verb\" in\n",
      cases,
      "  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
      "  elif [ -n \"$words\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  elif [ -n \"$ids\" ]; then\n"
      "    words=$(\"${COMP_WORDS[0]}\" $ids",
      kIdsOfTable,
      ")\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _lwq lwq\n");
}

std::string Zsh(const std::vector<CompletionVerb>& verbs) {
  std::string names;
  std::string cases;
  for (const CompletionVerb& verb : verbs) {
    absl::StrAppend(&names, "    '", verb.name, ":", Quotable(verb.help, ":"), "'\n");
    absl::StrAppend(&cases, "    ", verb.name, ")\n      _arguments \\\n");
    for (const CompletionFlag& flag : verb.flags) {
      const std::string action = flag.choices.empty() ? "_files" : absl::StrCat("(", Join(flag.choices), ")");
      absl::StrAppend(&cases, "        '", flag.name, flag.takes_value ? "=" : "", "[", Quotable(flag.help, "[]"), "]",
                      flag.takes_value ? absl::StrCat(":value:", action) : "", "' \\\n");
    }
    const std::string argument = !verb.ids_of.empty() ? absl::StrCat("{_lwq_ids ", verb.ids_of, "}")
                                 : verb.words.empty() ? "_files"
                                                      : absl::StrCat("(", Join(verb.words), ")");
    absl::StrAppend(&cases, "        '*:argument:", argument, "' ;;\n");
  }
  return absl::StrCat(
      "#compdef lwq\n"
      "# zsh completion of lwq: lwq completion zsh > a folder of $fpath/_lwq\n"
      "_lwq_ids() {\n"
      "  compadd -- $(lwq $1",
      kIdsOfTable,
      ")\n"
      "}\n"
      "_lwq() {\n"
      "  local -a verbs\n"
      "  verbs=(\n",
      names,
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe 'verb' verbs\n"
      "    return\n"
      "  fi\n"
      "  local verb=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $verb in\n",
      cases,
      "  esac\n"
      "}\n"
      "compdef _lwq lwq\n");
}

std::string Fish(const std::vector<CompletionVerb>& verbs) {
  std::string text = "# fish completion of lwq: lwq completion fish > ~/.config/fish/completions/lwq.fish\n";
  for (const CompletionVerb& verb : verbs) {
    absl::StrAppend(&text, "complete -c lwq -n __fish_use_subcommand -f -a ", verb.name, " -d '",
                    Quotable(verb.help, "\\"), "'\n");
  }
  for (const CompletionVerb& verb : verbs) {
    const std::string head = absl::StrCat("complete -c lwq -n '__fish_seen_subcommand_from ", verb.name, "'");
    if (!verb.words.empty()) absl::StrAppend(&text, head, " -f -a '", Join(verb.words), "'\n");
    if (!verb.ids_of.empty()) absl::StrAppend(&text, head, " -f -a \"(lwq ", verb.ids_of, kIdsOfTable, ")\"\n");
    for (const CompletionFlag& flag : verb.flags) {
      if (!flag.name.starts_with("--")) continue;
      absl::StrAppend(&text, head, " -l ", flag.name.substr(2), flag.takes_value ? " -r" : "",
                      flag.choices.empty() ? "" : absl::StrCat(" -f -a '", Join(flag.choices), "'"), " -d '",
                      Quotable(flag.help, "\\"), "'\n");
    }
  }
  return text;
}

}  // namespace

StatusOr<std::string> CompletionScript(const std::string& shell, const std::vector<CompletionVerb>& verbs) {
  if (shell == "bash") return Bash(verbs);
  if (shell == "zsh") return Zsh(verbs);
  if (shell == "fish") return Fish(verbs);
  return absl::InvalidArgumentError(
      absl::StrCat("completion: unknown shell \"", shell, "\"; bash, zsh and fish are supported"));
}

}  // namespace lwq::client
