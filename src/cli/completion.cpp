// Completion for bash, made from the commands' own declarations.

#include <fmt/format.h>
#include <map>
#include <set>

#include "cli/command.h"

namespace lyceum::cli {
namespace {

constexpr std::string_view kCommonOptions = "--json --config --database-url --help";

int print_completion(Context& context) {
  // What may follow each path of words.
  std::map<std::string, std::set<std::string>> words;
  std::map<std::string, std::string> options;
  for (const auto& command : commands()) {
    std::string parent;
    for (std::size_t at = 0; at < command.path.size();) {
      const auto end = std::min(command.path.find(' ', at), command.path.size());
      const auto word = command.path.substr(at, end - at);
      words[parent].insert(word);
      parent += (parent.empty() ? "" : " ") + word;
      at = end + 1;
    }
    std::vector<Option> declared;
    (void)command.declare(declared);
    auto& list = options[command.path];
    for (const auto& option : declared) {
      if (!option.positional()) list += option.name + " ";
    }
    list += kCommonOptions;
  }
  auto& out = context.out;
  out << "# bash completion for lyceum: source it, or put it where bash-completion looks\n"
         "_lyceum() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} path= i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    [[ ${COMP_WORDS[i]} == -* ]] && break\n"
         "    path+=${path:+ }${COMP_WORDS[i]}\n"
         "  done\n"
         "  local choices=\n"
         "  case $path in\n";
  std::set<std::string> paths;
  for (const auto& [path, _] : words) paths.insert(path);
  for (const auto& [path, _] : options) paths.insert(path);
  for (const auto& path : paths) {
    std::string choices;
    for (const auto& word : words[path]) choices += word + " ";
    choices += options[path];
    if (path.empty()) choices += "--help --version";
    out << fmt::format("    '{}') choices='{}' ;;\n", path, choices);
  }
  out << "  esac\n"
         "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n"
         "    --config | --stories | --vocabulary | --wordnet | --catalogue | --out | "
         "--directory)\n"
         "      mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "      return ;;\n"
         "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$word\")\n"
         "}\n"
         "complete -F _lyceum lyceum\n";
  return kDone;
}

}  // namespace

Command completion() {
  return {.path = "completion",
          .summary = "Completion for bash",
          .examples = "  source <(lyceum completion)",
          .declare = [](std::vector<Option>&) -> Run { return print_completion; }};
}

}  // namespace lyceum::cli
