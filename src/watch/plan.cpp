#include "watch/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

#include "pg/connection.h"

namespace lyceum::watch {

using boost::asio::awaitable;

namespace {

// From the position of what begins a quote or a comment to behind its end; the position itself
// where nothing begins there. Dollar quotes count as such only with a tag that is no number.
std::size_t behind_quote(std::string_view text, std::size_t at) {
  const auto until = [&](std::string_view end, std::size_t from) {
    const auto found = text.find(end, from);
    return found == std::string_view::npos ? text.size() : found + end.size();
  };
  if (text[at] == '\'' || text[at] == '"') return until(text.substr(at, 1), at + 1);
  if (text.substr(at).starts_with("--")) return until("\n", at);
  if (text.substr(at).starts_with("/*")) return until("*/", at + 2);
  if (text[at] != '$') return at;
  const auto close = text.find('$', at + 1);
  if (close == std::string_view::npos) return at;
  const auto tag = text.substr(at, close - at + 1);
  const bool is_tag =
      std::all_of(tag.begin() + 1, tag.end() - 1,
                  [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; }) &&
      (tag.size() == 2 || std::isdigit(static_cast<unsigned char>(tag[1])) == 0);
  return is_tag ? until(tag, close + 1) : at;
}

constexpr std::string_view kSpace = " \t\r\n(";

}  // namespace

int parameters_of(std::string_view statement) {
  int most = 0;
  for (std::size_t at = 0; at < statement.size();) {
    if (const auto behind = behind_quote(statement, at); behind > at) {
      at = behind;
      continue;
    }
    if (statement[at++] != '$') continue;
    int number = 0;
    const auto* end = statement.data() + statement.size();
    if (std::from_chars(statement.data() + at, end, number).ec == std::errc()) {
      most = std::max(most, number);
    }
  }
  return most;
}

bool has_plan(std::string_view statement) {
  std::size_t at = 0;
  while (at < statement.size()) {
    if (kSpace.find(statement[at]) != std::string_view::npos) {
      ++at;
    } else if (statement[at] == '-' || statement[at] == '/') {
      const auto behind = behind_quote(statement, at);
      if (behind == at) return false;
      at = behind;
    } else {
      break;
    }
  }
  std::string word;
  while (at < statement.size() && std::isalpha(static_cast<unsigned char>(statement[at])) != 0) {
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(statement[at++])));
  }
  constexpr std::array<std::string_view, 7> kPlanned{"select", "with",  "insert", "update",
                                                     "delete", "merge", "values"};
  return std::find(kPlanned.begin(), kPlanned.end(), word) != kPlanned.end();
}

awaitable<Plan> plan_of(boost::asio::any_io_executor executor, pg::Target target,
                        std::string statement, SteadyTime deadline) {
  // Of no more than a statement may have.
  constexpr int kMostParameters = 65'535;
  if (!has_plan(statement)) co_return Plan{.why_not = "it is no statement that has a plan"};
  const int parameters = parameters_of(statement);
  if (parameters > kMostParameters) co_return Plan{.why_not = "it has too many parameters"};
  auto opened = co_await pg::Connection::connect(
      executor,
      {.target = std::move(target), .application_name = "lyceum plan", .deadline = deadline});
  if (opened.has_error()) co_return Plan{.why_not = opened.error().message};
  const auto& connection = *opened;
  std::string nulls;
  for (int i = 0; i < parameters; ++i) nulls += i == 0 ? "null" : ", null";
  const std::array<std::string, 6> steps{
      "begin read only",
      "set local plan_cache_mode = force_generic_plan",
      "set local lock_timeout = '200ms'",
      "set local statement_timeout = '3s'",
      "prepare lyceum_plan as " + statement,
      parameters == 0 ? std::string("explain execute lyceum_plan")
                      : fmt::format("explain execute lyceum_plan({})", nulls)};
  connection->set_in_transaction(true);
  Plan plan;
  for (const auto& step : steps) {
    // One statement each: what follows a semicolon is refused.
    const Statement one{"", step, Access::read};
    const auto rows = co_await connection->execute(one, pg::Params(), deadline);
    if (rows.has_error()) {
      plan.why_not = rows.error().message;
      break;
    }
    if (&step != &steps.back()) continue;
    plan.text.emplace();
    for (const auto row : *rows) *plan.text += std::string(row.get<std::string_view>(0)) + '\n';
  }
  connection->close();
  co_return plan;
}

}  // namespace lyceum::watch
