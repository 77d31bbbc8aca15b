// Silences, by way of the service that keeps them.

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <memory>

#include "base/await.h"
#include "base/duration.h"
#include "cli/command.h"
#include "cli/table.h"
#include "watch/http_post.h"

namespace lyceum::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kUrlHelp =
    "Of the service's admin port; without it, server.admin_address";

// Asks the service. The answer's document; or its problem, as an error.
Result<json::value> ask(const Context& context, std::string url, std::string_view method,
                        const std::string& path, std::string body = {}) {
  if (url.empty()) {
    const auto loaded = context.configuration();
    if (loaded.has_error()) return loaded.error();
    const auto& address = loaded->values.server.admin_address;
    const bool bracketed = address.host.find(':') != std::string::npos;
    url = fmt::format("http://{}{}{}:{}", bracketed ? "[" : "", address.host, bracketed ? "]" : "",
                      address.port);
  }
  while (url.ends_with('/')) url.pop_back();
  watch::HttpPost request{.url = Secret(url + path),
                          .headers = {{"Content-Type", "application/json"}},
                          .body = std::move(body),
                          .method = method};
  auto answer =
      await([&](auto executor) { return watch::http_post(executor, std::move(request)); });
  if (answer.has_error()) {
    auto error = answer.error();
    error.hint = "is `lyceum serve` running there, with watch.enabled? --url names its admin port";
    return error;
  }
  boost::system::error_code no_json;
  auto document = json::parse(answer->body, no_json);
  if (answer->status < 300 && !no_json) return document;
  const auto* detail =
      no_json || !document.is_object() ? nullptr : document.get_object().if_contains("detail");
  return Error{.code = ErrorCode::kBadInput,
               .message = fmt::format("the service answered {}: {}", answer->status,
                                      detail != nullptr && detail->is_string()
                                          ? std::string(detail->get_string())
                                          : answer->body)};
}

std::string time_text(const json::value& milliseconds) {
  const auto at = Timestamp(std::chrono::milliseconds(milliseconds.to_number<std::int64_t>()));
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(at));
}

struct Arguments {
  std::vector<std::string> matchers;
  std::string time = "2h", comment, author, url;
  std::uint64_t id = 0;
};

int add(Context& context, const Arguments& given) {
  const auto time = parse_duration(given.time, std::chrono::minutes(1));
  if (!time || *time < std::chrono::minutes(1)) {
    return context.fail(
        {.code = ErrorCode::kBadInput,
         .message = fmt::format("--for is '{}', and has to be a minute at least", given.time)});
  }
  json::array matchers;
  for (const auto& one : given.matchers) matchers.push_back(json::string(one));
  const auto user = context.environment.find("USER");
  const auto author = !given.author.empty()               ? given.author
                      : user != context.environment.end() ? user->second
                                                          : std::string();
  const auto made = ask(context, given.url, "POST", "/v1/admin/silences",
                        json::serialize(json::object{
                            {"matchers", std::move(matchers)},
                            {"minutes", std::chrono::ceil<std::chrono::minutes>(*time).count()},
                            {"author", author},
                            {"comment", given.comment}}));
  if (made.has_error()) return context.fail(made.error());
  if (context.json) {
    context.out << json::serialize(*made) << std::endl;
  } else {
    context.out << fmt::format("silence {} holds until {}; lyceum alerts unsilence {} ends it\n",
                               made->at("id").to_number<std::uint64_t>(),
                               time_text(made->at("until")),
                               made->at("id").to_number<std::uint64_t>());
  }
  return kDone;
}

int list(Context& context, const Arguments& given) {
  const auto found = ask(context, given.url, "GET", "/v1/admin/silences");
  if (found.has_error()) return context.fail(found.error());
  if (context.json) {
    context.out << json::serialize(*found) << std::endl;
    return kDone;
  }
  Table table({"id", "until", "what", "author", "comment"});
  for (const auto& one : found->at("silences").as_array()) {
    std::string what;
    for (const auto& matcher : one.at("matchers").as_array()) {
      what += fmt::format("{}{}", what.empty() ? "" : " ", std::string_view(matcher.as_string()));
    }
    table.row({std::to_string(one.at("id").to_number<std::uint64_t>()), time_text(one.at("until")),
               what, std::string(one.at("author").as_string()),
               std::string(one.at("comment").as_string())});
  }
  table.print(context.out);
  return kDone;
}

int end(Context& context, const Arguments& given) {
  const auto ended =
      ask(context, given.url, "DELETE", fmt::format("/v1/admin/silences/{}", given.id));
  if (ended.has_error()) return context.fail(ended.error());
  if (context.json) {
    context.out << json::serialize(*ended) << std::endl;
  } else {
    context.out << fmt::format("silence {} is ended\n", given.id);
  }
  return kDone;
}

}  // namespace

Command alerts_silence() {
  return {.path = "alerts silence",
          .summary = "Hold back alerts for a time, at the service that runs",
          .examples =
              "  lyceum alerts silence --match node=db2* --for 2h --comment 'new disks'\n"
              "  lyceum alerts silence --match alertname=dead_rows --match relname=events "
              "--comment 'loads every night'",
          .declare = [](std::vector<Option>& options) -> Run {
            auto given = std::make_shared<Arguments>();
            options.push_back({.name = "--match",
                               .help = "LABEL=PATTERN or LABEL!=PATTERN, in which * is anything; "
                                       "all have to match",
                               .target = &given->matchers,
                               .required = true});
            options.push_back({"--for", "How long, from now", &given->time});
            options.push_back(
                {.name = "--comment", .help = "Why", .target = &given->comment, .required = true});
            options.push_back({"--author", "Who; without it, USER", &given->author});
            options.push_back({"--url", std::string(kUrlHelp), &given->url});
            return [given](Context& context) { return add(context, *given); };
          }};
}

Command alerts_silences() {
  return {.path = "alerts silences",
          .summary = "The silences that hold, at the service that runs",
          .examples = "  lyceum alerts silences",
          .declare = [](std::vector<Option>& options) -> Run {
            auto given = std::make_shared<Arguments>();
            options.push_back({"--url", std::string(kUrlHelp), &given->url});
            return [given](Context& context) { return list(context, *given); };
          }};
}

Command alerts_unsilence() {
  return {.path = "alerts unsilence",
          .summary = "End a silence before its time",
          .examples = "  lyceum alerts unsilence 3",
          .declare = [](std::vector<Option>& options) -> Run {
            auto given = std::make_shared<Arguments>();
            options.push_back({.name = "id",
                               .help = "its number, as `lyceum alerts silences` lists it",
                               .target = &given->id,
                               .required = true});
            options.push_back({"--url", std::string(kUrlHelp), &given->url});
            return [given](Context& context) { return end(context, *given); };
          }};
}

}  // namespace lyceum::cli
