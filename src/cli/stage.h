#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli/progress_line.h"
#include "learning/load_run.h"
#include "local/cluster.h"

namespace lyceum::cli {

struct StageOptions {
  std::string name = "demo";        // of the local cluster
  std::filesystem::path directory;  // where clusters live; empty: the default
  std::filesystem::path binaries;   // PostgreSQL's programs; empty: found
  std::string stories_file;
  std::string vocabulary_file;  // empty: wordnet_directory
  std::string wordnet_directory;
  std::string profile = "guide";  // of the index catalogue
  learning::load::Scale scale;
  std::uint64_t seed = 1;
  bool with_guide = true;  // also the guide's own schema, with the same rows and its indexes
  bool reuse = false;      // take the cluster that an earlier run of the same options has kept
};

// A private cluster with a school's data, indexes and logins: what the demo and the benchmark play
// on. An application connects as `application_url`'s role, which row-level security binds.
struct Stage {
  std::string name;
  std::filesystem::path directory;
  std::string admin_url;
  std::string application_url;
  learning::load::School school;
  learning::load::LoadReport load;
  Timestamp as_of{};
};

// Brings it up step by step, saying each through `progress`. What an earlier run left under the
// name is replaced. Errors say which step failed.
[[nodiscard]] Result<Stage> prepare_stage(const StageOptions& options, ProgressLine& progress);

// Ends and removes the cluster.
[[nodiscard]] Result<void> remove_stage(const Stage& stage);

// For an Interruption: ends and removes what there is of the cluster, and says so.
void remove_interrupted_stage(const StageOptions& options, std::ostream& err);

}  // namespace lyceum::cli
