#include "server/jwt.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/base64.h"
#include "server/strict_json.h"

namespace lyceum::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostDepth = 8;
constexpr std::size_t kMostSubjectBytes = 255;
constexpr double kYear10000 = 253'402'300'800;  // seconds since 1970

Error refused(std::string what) {
  return {.code = ErrorCode::kUnauthenticated, .message = "the token is refused: " + what};
}

std::string when(Timestamp time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(time));
}

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

struct Parts {
  std::string_view header, payload, signature;
  std::string_view signed_text;  // header and payload as they were sent
};

std::optional<Parts> split(std::string_view token) {
  const auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{.header = token.substr(0, first),
               .payload = token.substr(first + 1, second - first - 1),
               .signature = token.substr(second + 1),
               .signed_text = token.substr(0, second)};
}

Result<json::object> read_part(std::string_view part, std::string_view name) {
  const auto text = from_base64url(part);
  if (!text) return refused(fmt::format("its {} is no base64url", name));
  auto object = parse_strict_object(*text, kMostDepth);
  if (object.has_error())
    return refused(fmt::format("of its {}, {}", name, object.error().message));
  return object;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

struct Header {
  std::string algorithm;
  std::optional<std::string> key_id;
};

Result<Header> read_header(std::string_view part) {
  const auto object = read_part(part, "header");
  if (object.has_error()) return object.error();
  if (object->contains("crit")) return refused("its header has crit, of which nothing is known");
  if (const auto* typ = object->if_contains("typ")) {
    const auto* text = typ->if_string();
    if (text == nullptr ||
        (!equal_without_case(view(*text), "JWT") && !equal_without_case(view(*text), "at+jwt"))) {
      return refused("its typ is not JWT");
    }
  }
  Header out;
  const auto* alg = object->if_contains("alg");
  if (alg == nullptr || !alg->is_string()) return refused("its header has no alg");
  out.algorithm = view(alg->get_string());
  if (const auto* kid = object->if_contains("kid")) {
    const auto* text = kid->if_string();
    if (text == nullptr || !is_key_id(view(*text))) {
      return refused("its kid is not at most 256 printable characters");
    }
    out.key_id = std::string(view(*text));
  }
  return out;
}

// A NumericDate: seconds since 1970, fractions allowed, within the years 1970 to 9999.
std::optional<Timestamp> read_time(const json::value& value) {
  double seconds = 0;
  if (const auto* whole = value.if_int64()) {
    seconds = static_cast<double>(*whole);
  } else if (const auto* more = value.if_uint64()) {
    seconds = static_cast<double>(*more);
  } else if (const auto* fraction = value.if_double()) {
    seconds = *fraction;
  } else {
    return std::nullopt;
  }
  if (!(seconds >= 0 && seconds < kYear10000)) return std::nullopt;  // NaN too
  return Timestamp(std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
}

std::optional<Error> check_times(const json::object& claims, Duration leeway, Timestamp now,
                                 Claims& out) {
  const auto slack = std::chrono::ceil<std::chrono::microseconds>(leeway);
  const auto* exp = claims.if_contains("exp");
  if (exp == nullptr) return refused("it has no exp");
  const auto expires = read_time(*exp);
  if (!expires) return refused("its exp is no time");
  if (now >= *expires + slack) return refused("it has expired at " + when(*expires));
  out.expires = *expires;
  if (const auto* nbf = claims.if_contains("nbf")) {
    const auto begins = read_time(*nbf);
    if (!begins) return refused("its nbf is no time");
    if (now + slack < *begins) return refused("it is not valid before " + when(*begins));
  }
  return std::nullopt;
}

bool is_text(const json::value& value, std::string_view expected) {
  const auto* text = value.if_string();
  return text != nullptr && view(*text) == expected;
}

std::optional<Error> check_parties(const json::object& claims,
                                   const TokenExpectations& expectations) {
  if (!expectations.issuer.empty()) {
    const auto* iss = claims.if_contains("iss");
    if (iss == nullptr || !is_text(*iss, expectations.issuer)) {
      return refused("its iss is not the one expected here");
    }
  }
  if (!expectations.audience.empty()) {
    const auto* aud = claims.if_contains("aud");
    bool meant = aud != nullptr && is_text(*aud, expectations.audience);
    if (aud != nullptr && aud->is_array()) {
      meant = std::ranges::any_of(aud->get_array(), [&](const json::value& one) {
        return is_text(one, expectations.audience);
      });
    }
    if (!meant) return refused("its aud does not have the one expected here");
  }
  return std::nullopt;
}

std::optional<Roles> read_roles(const json::value& value) {
  Roles out;
  const auto add = [&](std::string_view name) {
    if (const auto role = role_of(name)) out.add(*role);
  };
  if (const auto* text = value.if_string()) {
    auto rest = view(*text);
    while (!rest.empty()) {
      const auto space = std::min(rest.find(' '), rest.size());
      add(rest.substr(0, space));
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
    return out;
  }
  const auto* list = value.if_array();
  if (list == nullptr) return std::nullopt;
  for (const auto& one : *list) {
    const auto* name = one.if_string();
    if (name == nullptr) return std::nullopt;
    add(view(*name));
  }
  return out;
}

bool is_subject(std::string_view text) {
  return text.size() <= kMostSubjectBytes && std::ranges::none_of(text, [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte == 0x7f;
         });
}

std::optional<Error> read_principal(const json::object& claims, Claims& out) {
  const auto* tenant = claims.if_contains("tenant");
  if (tenant == nullptr) return refused("it has no tenant");
  const auto* tenant_text = tenant->if_string();
  const auto id = tenant_text == nullptr ? std::nullopt : parse_uuid(view(*tenant_text));
  if (!id) return refused("its tenant is no UUID");
  out.tenant = *id;

  const auto* names = claims.if_contains("roles");
  if (names == nullptr) return refused("it has no roles");
  const auto roles = read_roles(*names);
  if (!roles) return refused("its roles are neither an array of names nor a text");
  if (roles->empty()) return refused("it has no role that is known here");
  out.roles = *roles;

  if (const auto* sub = claims.if_contains("sub")) {
    const auto* text = sub->if_string();
    if (text == nullptr || !is_subject(view(*text))) {
      return refused("its sub is not at most 255 bytes without control characters");
    }
    out.subject = view(*text);
  }
  if (out.roles.has(Role::learner)) {
    out.learner = parse_uuid(out.subject);
    if (!out.learner) return refused("it is a learner's, and its sub is no UUID");
  }
  return std::nullopt;
}

std::string name_of_key(const VerificationKey& key) {
  return key.id().empty() ? "the key" : fmt::format("key '{}'", key.id());
}

}  // namespace

Result<Claims> verify_jwt(std::string_view token, const KeySet& keys,
                          const TokenExpectations& expectations, Timestamp now) {
  if (token.size() > expectations.max_size) {
    return refused(fmt::format("it has more than {} bytes", expectations.max_size));
  }
  const auto parts = split(token);
  if (!parts) return refused("it does not have three parts");
  const auto header = read_header(parts->header);
  if (header.has_error()) return header.error();
  const auto* key = keys.find(header->key_id);
  if (key == nullptr) {
    return refused(header->key_id ? fmt::format("there is no key '{}'", *header->key_id)
                                  : "it does not name its key");
  }
  if (header->algorithm != name_of(key->algorithm())) {
    return refused(fmt::format("its alg is not {}, the one of {}", name_of(key->algorithm()),
                               name_of_key(*key)));
  }
  const auto signature = from_base64url(parts->signature);
  if (!signature) return refused("its signature is no base64url");
  if (!key->verifies(parts->signed_text, *signature)) {
    return refused("its signature does not match " + name_of_key(*key));
  }

  const auto claims = read_part(parts->payload, "claims");
  if (claims.has_error()) return claims.error();
  Claims out;
  if (auto error = check_times(*claims, expectations.leeway, now, out)) return *error;
  if (auto error = check_parties(*claims, expectations)) return *error;
  if (auto error = read_principal(*claims, out)) return *error;
  return out;
}

std::optional<std::string> unknown_key_id(std::string_view token, const KeySet& keys,
                                          const TokenExpectations& expectations) {
  if (token.size() > expectations.max_size) return std::nullopt;
  const auto parts = split(token);
  if (!parts) return std::nullopt;
  const auto header = read_header(parts->header);
  if (header.has_error() || !header->key_id || keys.find(header->key_id) != nullptr) {
    return std::nullopt;
  }
  return header->key_id;
}

}  // namespace lyceum::server
