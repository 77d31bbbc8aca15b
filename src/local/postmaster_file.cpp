#include "local/postmaster_file.h"

#include <cstdlib>
#include <sstream>
#include <vector>

#include "local/files.h"

namespace lyceum::local {

std::optional<PostmasterFile> read_postmaster_file(const std::filesystem::path& data_directory) {
  const auto text = read_file(data_directory / "postmaster.pid");
  if (!text) return std::nullopt;
  std::istringstream stream(*text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  lines.resize(8);
  PostmasterFile out;
  out.pid = std::abs(std::atoi(lines[0].c_str()));
  out.port = std::atoi(lines[3].c_str());
  out.socket_directory = lines[4];
  if (const auto space = lines[6].find_last_of(' '); space != std::string::npos) {
    out.shared_memory_id = std::atoi(lines[6].c_str() + space);
  }
  out.status = lines[7].substr(0, lines[7].find(' '));
  if (out.pid == 0) return std::nullopt;
  return out;
}

}  // namespace lyceum::local
