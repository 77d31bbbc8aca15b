#include "support/api_document.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/json_schema.h"
#include "support/paths.h"

namespace lyceum::testing {

namespace json = boost::json;

namespace {

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

json::string_view key(std::string_view text) {
  return {text.data(), text.size()};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

// Whether a path is that of a template: each {…} stands for one segment.
bool fits(std::string_view path, std::string_view path_template) {
  for (;;) {
    const auto part = path.substr(0, path.find('/'));
    const auto wanted = path_template.substr(0, path_template.find('/'));
    if (!wanted.starts_with('{') && part != wanted) return false;
    path.remove_prefix(part.size());
    path_template.remove_prefix(wanted.size());
    if (path.empty() || path_template.empty()) return path.empty() && path_template.empty();
    path.remove_prefix(1);
    path_template.remove_prefix(1);
  }
}

// What a problem must never hold: names of ours and words of the server's.
std::vector<std::string> told_too_much(const std::string& body) {
  static constexpr std::string_view kSecrets[] = {
      "learning.",   "lyceum_",         "lyceum.",  "app_",          "pg_",        "SELECT",
      "INSERT",      "relation",        "violates", "duplicate key", "constraint", "row-level",
      "permission",  "PL/pgSQL",        "SQLSTATE", "postgres",      "127.0.0.1",  "/tmp",
      "/dev/shm",    ".s.PGSQL",        "FATAL",    "ERROR",         "column",     "backend",
      "user_events", "idempotency_keys"};
  std::vector<std::string> out;
  for (const auto secret : kSecrets) {
    if (body.find(secret) != std::string::npos) {
      out.push_back(fmt::format("the problem says '{}': {}", secret, body));
    }
  }
  return out;
}

}  // namespace

const ApiDocument& ApiDocument::project() {
  static const ApiDocument document = [] {
    std::ifstream file(source_path("api/openapi.json"), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return ApiDocument(json::parse({text.data(), text.size()}));
  }();
  return document;
}

std::optional<std::string> ApiDocument::template_of(std::string_view path) const {
  for (const auto& member : root_.at("paths").as_object()) {
    if (fits(path, view(member.key()))) return std::string(view(member.key()));
  }
  return std::nullopt;
}

const json::object* ApiDocument::operation(std::string_view method,
                                           std::string_view path_template) const {
  const auto* path = root_.at("paths").as_object().if_contains(key(path_template));
  if (path == nullptr) return nullptr;
  const auto name = method == "HEAD" ? std::string("get") : lower(method);
  const auto* found = path->as_object().if_contains(key(name));
  return found == nullptr ? nullptr : &found->as_object();
}

const json::object& ApiDocument::follow(const json::value& value) const {
  const auto* reference = value.as_object().if_contains("$ref");
  if (reference == nullptr) return value.as_object();
  const auto* to = resolve_reference(root_, view(reference->as_string()));
  if (to == nullptr) throw std::runtime_error("a reference leads nowhere");
  return to->as_object();
}

std::vector<std::string> ApiDocument::problems(const ApiRequest& request,
                                               const HttpReply& reply) const {
  std::vector<std::string> out;
  const auto path = std::string_view(request.target).substr(0, request.target.find('?'));
  const auto path_template = template_of(path);
  const auto* found = path_template ? operation(request.method, *path_template) : nullptr;

  // Outside of what is documented there is nothing but a problem that says so.
  const json::object* response = nullptr;
  if (found == nullptr) {
    if (reply.status != 404 && reply.status != 405 && reply.status < 500) {
      out.push_back(fmt::format("{} where there is no operation", reply.status));
    }
    response = &follow(root_.at("components").at("responses").at("default"));
  } else {
    const auto& responses = found->at("responses").as_object();
    const auto* of_status = responses.if_contains(key(std::to_string(reply.status)));
    if (of_status == nullptr) {
      // Of the rest, what is said to be left to it.
      constexpr int kOfDefault[] = {404, 405, 408, 413, 414, 417, 431, 501, 505};
      if (std::ranges::find(kOfDefault, reply.status) != std::end(kOfDefault)) {
        of_status = responses.if_contains("default");
      }
    }
    if (of_status == nullptr) {
      return {fmt::format("the status {} is not documented: {}", reply.status, reply.body)};
    }
    response = &follow(*of_status);
  }

  if (const auto* headers = response->if_contains("headers")) {
    for (const auto& header : headers->as_object()) {
      const auto name = lower(view(header.key()));
      // A bookmark is left out where the position was not to be had.
      if (name == "lyceum-bookmark") continue;
      const auto value = reply.header(name);
      if (value.empty()) {
        out.push_back("the header " + name + " is missing");
        continue;
      }
      const auto& schema = follow(header.value()).at("schema");
      const bool is_number = value.find_first_not_of("0123456789") == std::string::npos;
      const json::value typed = is_number && schema.at("type").as_string() == "integer"
                                    ? json::value(std::stoll(value))
                                    : json::value(value);
      for (auto& problem : schema_problems(root_, schema, typed)) {
        out.push_back(name + ' ' + problem);
      }
    }
  }
  if (reply.header("x-content-type-options") != "nosniff") out.push_back("may be sniffed");
  if (reply.header("cache-control") != "no-store") out.push_back("may be stored");

  auto type = reply.header("content-type");
  type = type.substr(0, type.find(';'));
  const auto* content = response->at("content").as_object().if_contains(key(type));
  if (content == nullptr) {
    out.push_back("the content type is not documented: " + type);
    return out;
  }
  if (request.method == "HEAD") {
    if (!reply.body.empty()) out.push_back("an answer to HEAD has a body");
    return out;
  }
  boost::system::error_code failure;
  const auto body = json::parse({reply.body.data(), reply.body.size()}, failure);
  if (failure) {
    out.push_back("the body is no JSON: " + reply.body.substr(0, 200));
    return out;
  }
  for (auto& problem : schema_problems(root_, content->at("schema"), body)) {
    out.push_back(std::move(problem));
  }
  if (reply.status >= 400) {
    if (body.is_object() && body.as_object().contains("status") &&
        body.at("status") != reply.status) {
      out.push_back("the problem has another status");
    }
    for (auto& word : told_too_much(reply.body)) out.push_back(std::move(word));
  }
  return out;
}

}  // namespace lyceum::testing
