#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/uuid.h"
#include "learning/api_keys.h"
#include "learning/school.h"
#include "server/api.h"
#include "server/signing.h"
#include "support/api_document.h"
#include "support/http_client.h"
#include "support/json_schema.h"
#include "support/open_transaction.h"
#include "support/serve_program.h"

namespace lyceum::server {

namespace json = boost::json;
using learning::AppDatabase;
using testing::ApiDocument;
using testing::ApiRequest;
using testing::encoded;
using testing::eventually;
using testing::HttpClient;
using testing::HttpConnection;
using testing::HttpReply;
using testing::OpenTransaction;
using testing::psql;
using testing::psql_value;
using namespace std::chrono_literals;

inline std::string a_uuid() {
  return to_string(random_uuid());
}

// An issuer of tokens, and the file of its key.
class Issuer {
 public:
  Issuer() {
    const auto path = keys_file();
    std::ofstream(path) << set_of(signer_.jwk("test"));
  }
  [[nodiscard]] std::string keys_file() const { return (directory_.path() / "keys.json").string(); }

  struct Claims {
    std::string tenant;
    std::vector<std::string> roles;
    std::string subject = "somebody";
    std::chrono::seconds lifetime = std::chrono::hours(1);
  };
  [[nodiscard]] std::string token(const Claims& claims) const {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now().time_since_epoch());
    json::array roles;
    for (const auto& role : claims.roles) roles.emplace_back(role);
    return signed_token(signer_, header_of(signer_, "test"),
                        json::serialize(json::object{{"tenant", claims.tenant},
                                                     {"roles", std::move(roles)},
                                                     {"sub", claims.subject},
                                                     {"exp", (now + claims.lifetime).count()}}));
  }

 private:
  testing::TemporaryDirectory directory_;
  Signer signer_ = Signer::secret("a secret of more than thirty-two bytes");
};

inline const Issuer& issuer() {
  static const Issuer one;
  return one;
}

inline std::string staff(const std::string& tenant, const std::string& role = "service") {
  return issuer().token({.tenant = tenant, .roles = {role}});
}
inline std::string learner(const std::string& tenant, const std::string& id) {
  return issuer().token({.tenant = tenant, .roles = {"learner"}, .subject = id});
}

inline std::string app_url(const AppDatabase& database) {
  auto url = database.url();
  const std::string superuser = "//postgres@";
  const auto at = url.find(superuser);
  if (at == std::string::npos) throw std::runtime_error("what is this: " + url);
  return url.replace(at, superuser.size(), "//" + database.role() + "@");
}

// `lyceum serve` for a database, and what every test says to it. Every reply is held against the
// OpenAPI document, whoever asked for it.
class Served {
 public:
  explicit Served(const AppDatabase& database, std::vector<std::string> settings = {})
      : Served(app_url(database), std::move(settings)) {}
  Served(std::string url, std::vector<std::string> settings)
      : program_({.database_url = std::move(url), .settings = with_defaults(std::move(settings))}) {
    if (!program_.started()) throw std::runtime_error("it did not come up: " + program_.log());
  }

  HttpReply operator()(const ApiRequest& request) {
    auto reply = client().exchange(request);
    if (!reply) {
      ADD_FAILURE() << request.method << ' ' << request.target << " got no answer; log:\n"
                    << tail(program_.log());
      return {};
    }
    check(request, *reply);
    return std::move(*reply);
  }

  static void check(const ApiRequest& request, const HttpReply& reply) {
    for (const auto& problem : ApiDocument::project().problems(request, reply)) {
      ADD_FAILURE() << request.method << ' ' << request.target << " ("
                    << request.body.substr(0, 300) << "): " << reply.status << ": " << problem;
    }
  }

  [[nodiscard]] HttpClient connect(std::chrono::milliseconds timeout = 30s) const {
    return HttpClient(program_.port(), timeout);
  }
  [[nodiscard]] testing::ServeProgram& program() { return program_; }

  [[nodiscard]] std::string metrics() const {
    HttpClient admin(program_.admin_port());
    const auto reply = admin.exchange({.target = "/metrics"});
    return reply ? reply->body : std::string();
  }

 private:
  static std::vector<std::string> with_defaults(std::vector<std::string> settings) {
    std::vector<std::string> out{"LYCEUM_AUTH_KEYS_FILE=" + issuer().keys_file(),
                                 "LYCEUM_AUTH_KEY_CACHE=0s", "LYCEUM_SERVER_TENANT_RATE=0",
                                 "LYCEUM_SERVER_WORKERS=1"};
    for (auto& setting : settings) {
      const auto key = setting.substr(0, setting.find('=') + 1);
      std::erase_if(out, [&](const std::string& entry) { return entry.starts_with(key); });
      out.push_back(std::move(setting));
    }
    return out;
  }
  static std::string tail(const std::string& text) {
    return text.size() < 3000 ? text : text.substr(text.size() - 3000);
  }
  HttpClient& client() {
    if (!client_) client_.emplace(program_.port());
    return *client_;
  }

  testing::ServeProgram program_;
  std::optional<HttpClient> client_;
};

inline json::value json_of(const HttpReply& reply) {
  boost::system::error_code failure;
  auto out = json::parse({reply.body.data(), reply.body.size()}, failure);
  if (failure) ADD_FAILURE() << "no JSON: " << reply.body;
  return out;
}

// A problem's code, "" for no problem.
inline std::string code_of(const HttpReply& reply) {
  if (!reply.header("content-type").starts_with("application/problem+json")) return "";
  const auto body = json_of(reply);
  const auto* code = body.if_object() != nullptr ? body.as_object().if_contains("code") : nullptr;
  return code == nullptr ? "" : std::string(code->as_string());
}

// What tells two values apart, by place; empty where they are the same. Numbers are compared as
// such, times as moments.
inline std::string difference(const json::value& is, const json::value& ought,
                              const std::string& place = "$") {
  const auto differ = [&] {
    return fmt::format("{} is {}, not {}", place, json::serialize(is).substr(0, 300),
                       json::serialize(ought).substr(0, 300));
  };
  if (is.is_number() && ought.is_number()) {
    const auto a = is.to_number<double>();
    const auto b = ought.to_number<double>();
    return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)}) ? "" : differ();
  }
  if (is.kind() != ought.kind()) return differ();
  if (is.is_string()) {
    if (is == ought) return "";
    std::int64_t a = 0;
    std::int64_t b = 0;
    const auto text = [](const json::value& value) {
      return std::string_view(value.as_string().data(), value.as_string().size());
    };
    const bool times =
        testing::is_date_time(text(is), &a) && testing::is_date_time(text(ought), &b);
    return times && a == b ? "" : differ();
  }
  if (is.is_array()) {
    const auto& a = is.as_array();
    const auto& b = ought.as_array();
    if (a.size() != b.size()) {
      return fmt::format("{} has {} items, not {}", place, a.size(), b.size());
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (auto out = difference(a[i], b[i], fmt::format("{}[{}]", place, i)); !out.empty()) {
        return out;
      }
    }
    return "";
  }
  if (is.is_object()) {
    for (const auto& member : ought.as_object()) {
      const auto* of = is.as_object().if_contains(member.key());
      const auto name = place + '.' + std::string(member.key().data(), member.key().size());
      if (of == nullptr) return name + " is missing";
      if (auto out = difference(*of, member.value(), name); !out.empty()) return out;
    }
    if (is.as_object().size() != ought.as_object().size()) return place + " has more members";
    return "";
  }
  return is == ought ? "" : differ();
}

// One JSON value, as the server makes it.
inline json::value query_json(const std::string& url, const std::string& sql) {
  const auto text = psql_value(url, sql);
  return json::parse({text.data(), text.size()});
}

// What a request is about: ids of one tenant, all there, as the tables have them.
struct Subject {
  std::string tenant, learner, story, word, session;
};

// A request that each route takes. Throws for a route that it does not know: who adds one has to
// say how it is asked for, and with that every test tries it.
inline ApiRequest sample_request(const Route& route, const Subject& subject) {
  std::string target(route.path);
  const auto with_id = [&](const std::string& id) {
    if (const auto at = target.find("{id}"); at != std::string::npos) target.replace(at, 4, id);
  };
  ApiRequest request{.method = std::string(name_of(route.method))};
  const auto& path = route.path;
  if (path == "/v1/stories/{id}") {
    with_id(subject.story);
  } else if (path == "/openapi.json" || path == "/v1/stories") {
  } else if (path == "/v1/learners/{id}/summary" || path == "/v1/learners/{id}" ||
             path == "/v1/learners/{id}/export" ||
             path == "/v1/learners/{id}/vocabulary/recommendations") {
    with_id(subject.learner);
  } else if (path == "/v1/learners/{id}/vocabulary/reviews") {
    with_id(subject.learner);
    request.body =
        fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", subject.word);
  } else if (path == "/v1/progress/batch") {
    request.body = fmt::format(
        R"({{"updates":[{{"user_id":"{}","story_id":"{}","completion_percentage":1,"time_spent":1}}]}})",
        subject.learner, subject.story);
  } else if (path == "/v1/sessions") {
    request.body = fmt::format(
        R"({{"sessions":[{{"id":"{}","user_id":"{}","started_at":"2025-01-01T00:00:00Z","duration_minutes":1}}]}})",
        a_uuid(), subject.learner);
  } else if (path == "/v1/events") {
    request.body = fmt::format(
        R"({{"events":[{{"id":"{}","user_id":"{}","session_id":"{}","event_type":"seen"}}]}})",
        a_uuid(), subject.learner, subject.session);
  } else if (path == "/v1/analytics/learning") {
    target += "?from=2025-03-01&to=2025-04-01";
  } else {
    throw std::runtime_error(
        fmt::format("no test knows how to ask for {} {}", request.method, path));
  }
  request.target = target;
  return request;
}

inline std::string name_of(const Route& route) {
  return fmt::format("{} {}", name_of(route.method), route.path);
}

// The first tenants of a loaded school, each with a learner who did things.
inline Subject subject_of(const AppDatabase& database, int tenant) {
  const auto row = database.query(fmt::format(
      R"(select t.id, s.user_id, (select id from stories s where s.tenant_id = t.id and published
                                  order by id limit 1),
                (select id from vocabulary order by id limit 1), s.id
         from (select id from tenants order by id offset {} limit 1) t
         cross join lateral (select id, user_id from learning_sessions s where s.tenant_id = t.id
                             and exists (select from progress p where p.tenant_id = t.id
                                         and p.user_id = s.user_id)
                             order by id limit 1) s)",
      tenant))[0];
  return {.tenant = row[0], .learner = row[1], .story = row[2], .word = row[3], .session = row[4]};
}

// A new learner, with a session of its own.
inline Subject add_learner(const AppDatabase& database, Subject subject) {
  subject.learner = a_uuid();
  subject.session = a_uuid();
  database.change(fmt::format(
      "insert into users (tenant_id, id, email) values ('{0}', '{1}', '{1}@example.org'); "
      "insert into learning_sessions (tenant_id, id, user_id, started_at) "
      "values ('{0}', '{2}', '{1}', '2025-02-01')",
      subject.tenant, subject.learner, subject.session));
  return subject;
}

// An API key, whole.
inline std::string make_api_key(const AppDatabase& database, const std::string& tenant,
                                std::vector<std::string> roles,
                                std::optional<std::string> who = std::nullopt) {
  std::string out;
  learning::with_pool(database, [&](pool::Pool& pool) -> boost::asio::awaitable<void> {
    const learning::Scope scope{.database = pool, .tenant = learning::uuid(tenant)};
    learning::NewApiKey wanted{.name = "test", .roles = roles};
    if (who) wanted.learner = learning::uuid(*who);
    auto made = co_await learning::create_api_key(scope, std::move(wanted));
    EXPECT_TRUE(made.has_value()) << made.error().to_string();
    if (made) out = std::string(made->key.reveal());
  });
  return out;
}

}  // namespace lyceum::server
