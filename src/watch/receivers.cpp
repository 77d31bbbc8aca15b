#include "watch/receivers.h"

#include <fmt/format.h>
#include <fstream>

namespace lyceum::watch {
namespace {

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

std::string line_of(std::ifstream& file) {
  std::string out;
  std::getline(file, out);
  while (!out.empty() && (out.back() == '\r' || out.back() == ' ')) out.pop_back();
  return out;
}

Result<Receiver> from_file(ReceiverKind kind, const std::string& path) {
  std::ifstream file(path);
  auto url = line_of(file);
  if (!is_url(url)) {
    return Error{
        .code = ErrorCode::kConfiguration,
        .message = fmt::format("{} holds no http:// or https:// URL in its first line", path),
        .hint = fmt::format("watch.{}_file names it", name_of(kind))};
  }
  return Receiver{.name = std::string(name_of(kind)),
                  .kind = kind,
                  .url = Secret(std::move(url)),
                  .key = Secret(line_of(file))};
}

}  // namespace

Result<std::vector<Receiver>> receivers_of(const WatchSettings& settings) {
  std::vector<Receiver> out{{.name = "log", .kind = ReceiverKind::log}};
  if (const auto& url = settings.alertmanager; !url.empty()) {
    // The setting is shown to whoever asks for settings.
    if (!is_url(url) || url.find('@') != std::string::npos) {
      return Error{.code = ErrorCode::kConfiguration,
                   .message = "watch.alertmanager is no http:// or https:// URL without a user"};
    }
    out.push_back({.name = "alertmanager", .kind = ReceiverKind::alertmanager, .url = Secret(url)});
  }
  for (const auto& [kind, path] : {std::pair{ReceiverKind::webhook, settings.webhook_file},
                                   std::pair{ReceiverKind::slack, settings.slack_file}}) {
    if (path.empty()) continue;
    auto receiver = from_file(kind, path);
    if (receiver.has_error()) return receiver.error();
    out.push_back(std::move(*receiver));
  }
  return out;
}

}  // namespace lyceum::watch
