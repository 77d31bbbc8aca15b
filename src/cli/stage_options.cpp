#include "cli/stage_options.h"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>

namespace lyceum::cli {
namespace {

Result<std::string> own_stories() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const auto& candidate : {std::filesystem::path("data/stories.jsonl"),
                                program / "../../../data/stories.jsonl",  // in the source tree
                                program / "../share/lyceum/data/stories.jsonl"}) {  // installed
    if (std::filesystem::exists(candidate)) return candidate.string();
  }
  return Error{.code = ErrorCode::kNotFound,
               .message =
                   "no stories are found: there is no data/stories.jsonl here nor beside "
                   "the program",
               .hint = "name a file with --stories"};
}

}  // namespace

void declare_input(std::vector<Option>& options, InputArguments& arguments) {
  options.push_back({"--stories", "Stories, a JSON object a line (default: the project's own)",
                     &arguments.stories});
  options.push_back({"--vocabulary", "Words as CSV (default: WordNet's)", &arguments.vocabulary});
  options.push_back({"--wordnet", "Directory of WordNet's files", &arguments.wordnet});
  options.push_back(
      {"--seed", "Of the simulated learners: the same seed, the same rows", &arguments.seed});
  options.push_back(
      {"--scale", "Times as many rows (default: LYCEUM_DEMO_SCALE, else 1)", &arguments.scale});
}

Result<StageOptions> stage_options(const Context& context, const InputArguments& arguments) {
  StageOptions options;
  options.seed = arguments.seed;
  options.stories_file = arguments.stories;
  if (options.stories_file.empty()) {
    auto own = own_stories();
    if (own.has_error()) return own.error();
    options.stories_file = *own;
  }
  options.vocabulary_file = arguments.vocabulary;
  options.wordnet_directory = arguments.wordnet;

  double scale = arguments.scale;
  const auto set = context.environment.find("LYCEUM_DEMO_SCALE");
  if (scale == 1 && set != context.environment.end() && !set->second.empty()) {
    const auto& text = set->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Error{.code = ErrorCode::kConfiguration,
                   .message = fmt::format("LYCEUM_DEMO_SCALE is '{}', which is no number", text)};
    }
  }
  if (!(scale > 0 && scale <= 1000)) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("the scale {} is not above 0 and at most 1000", scale)};
  }
  options.scale = learning::load::Scale::demo(scale);

  const auto loaded = context.configuration();
  if (loaded.has_error()) return loaded.error();
  options.directory = loaded->values.local.directory;
  options.binaries = loaded->values.local.binaries;
  return options;
}

}  // namespace lyceum::cli
