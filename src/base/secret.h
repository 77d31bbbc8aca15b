#pragma once

#include <fmt/format.h>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace lyceum {

// A string that must not be shown: streams and fmt print ***, however long it is, and there is no
// conversion to a string. reveal() stands where the value goes to the server and nowhere else.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  friend bool operator==(const Secret&, const Secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << kShown; }

  static constexpr std::string_view kShown = "***";

 private:
  std::string value_;
};

}  // namespace lyceum

template <>
struct fmt::formatter<lyceum::Secret> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const lyceum::Secret&, Context& context) const {
    return fmt::formatter<std::string_view>::format(lyceum::Secret::kShown, context);
  }
};
