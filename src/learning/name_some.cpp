#include "learning/name_some.h"

#include <algorithm>
#include <fmt/format.h>

namespace lyceum::learning {

std::string name_some(const std::vector<Uuid>& ids) {
  constexpr std::size_t kNamed = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(kNamed, ids.size()); ++i) {
    out += (i == 0 ? "" : ", ") + to_string(ids[i]);
  }
  if (ids.size() > kNamed) out += fmt::format(" and {} more", ids.size() - kNamed);
  return out;
}

}  // namespace lyceum::learning
