#pragma once

#include <vector>

#include "cli/command.h"
#include "cli/stage.h"

namespace lyceum::cli {

// What `demo`, `bench` and `load` ask alike: which stories and words, how much of them.
struct InputArguments {
  std::string stories;
  std::string vocabulary;
  std::string wordnet = "/usr/share/wordnet";
  std::uint64_t seed = 1;
  double scale = 1;
};

void declare_input(std::vector<Option>& options, InputArguments& arguments);

// The inputs as files that are there: those named, else the project's own stories (data/ here or
// where the program is installed), and WordNet. LYCEUM_DEMO_SCALE stands in for --scale where that
// is not given. Errors: kConfiguration, kNotFound.
[[nodiscard]] Result<StageOptions> stage_options(const Context& context,
                                                 const InputArguments& arguments);

}  // namespace lyceum::cli
