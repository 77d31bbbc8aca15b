#include "watch/statement_names.h"

#include <algorithm>

#include "watch/collector.h"

namespace lyceum::watch {

std::string_view statement_name(std::string_view text) {
  constexpr std::string_view kBegin = "/* ", kEnd = " */";
  if (!text.starts_with(kBegin)) return {};
  text.remove_prefix(kBegin.size());
  const auto name = text.substr(0, text.find(kEnd));
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  return plain && name.size() < text.size() ? name : std::string_view();
}

void StatementNames::add(std::string_view text, std::string_view queryid, std::int64_t calls) {
  const auto name = statement_name(text);
  if (name.empty() || queryid.empty()) return;
  calls_[std::string(name)][std::string(queryid)] += calls;
}

void StatementNames::put_into(Sample& client_statements) const {
  const auto* collector = find_collector("client_statements");
  const auto name = static_cast<std::size_t>(collector->position("name"));
  const auto queryid = static_cast<std::size_t>(collector->position("queryid"));
  for (auto& row : client_statements.rows) {
    const auto* own = std::get_if<Text>(&row.at(name));
    const auto found = own == nullptr ? calls_.end() : calls_.find(own->view());
    if (found == calls_.end()) continue;
    const auto most =
        std::max_element(found->second.begin(), found->second.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    row.at(queryid) = most->first;
  }
}

}  // namespace lyceum::watch
