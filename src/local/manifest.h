#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "local/server.h"

namespace lyceum::local {

// What belongs to a name: the file cluster.json in the cluster's directory. It holds the
// superuser's password, so nobody but its owner may read it.
struct Manifest {
  std::string name;
  std::filesystem::path binaries;
  Secret password;
  bool durable = true;
  bool synchronous = false;
  std::map<std::string, std::string> settings;
  std::vector<ServerFacts> servers;
};

[[nodiscard]] std::string to_json(const Manifest& manifest);

// Error (kIo): the text is not a manifest. The message says where, and none of the text.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text);

}  // namespace lyceum::local
