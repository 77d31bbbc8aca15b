#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"

namespace lyceum::server {

// What a principal may do within its tenant. A learner reads and writes its own rows, a teacher
// the tenant's, an admin the tenant's and its API keys; a service is a program of the platform that
// acts for all learners of the tenant.
enum class Role : std::uint8_t { learner = 1, teacher = 2, admin = 4, service = 8 };

// "learner", "teacher", "admin", "service".
[[nodiscard]] constexpr std::string_view name_of(Role role) {
  switch (role) {
    case Role::learner:
      return "learner";
    case Role::teacher:
      return "teacher";
    case Role::admin:
      return "admin";
    case Role::service:
      return "service";
  }
  return "";
}

inline constexpr std::initializer_list<Role> kAllRoles = {Role::learner, Role::teacher, Role::admin,
                                                          Role::service};

[[nodiscard]] constexpr std::optional<Role> role_of(std::string_view name) {
  for (const auto role : kAllRoles) {
    if (name_of(role) == name) return role;
  }
  return std::nullopt;
}

class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const auto role : roles) add(role);
  }
  constexpr void add(Role role) { bits_ = static_cast<std::uint8_t>(bits_ | bit(role)); }
  [[nodiscard]] constexpr bool has(Role role) const { return (bits_ & bit(role)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  bool operator==(const Roles&) const = default;

 private:
  static constexpr std::uint8_t bit(Role role) { return static_cast<std::uint8_t>(role); }
  std::uint8_t bits_ = 0;
};

// Who asks, as a verified token or API key says: nothing else of a request decides whose rows it is
// about.
struct Principal {
  Uuid tenant{};
  Roles roles;
  std::optional<Uuid> learner;  // who a learner is; set where the roles have learner
  std::string name;             // for logs: "jwt:" and the subject, "key:" and the key's prefix
};

}  // namespace lyceum::server
