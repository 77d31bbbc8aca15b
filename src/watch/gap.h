#pragma once

#include <string>

namespace lyceum::watch {

// What cannot be seen, and what mends it.
struct Gap {
  std::string why;   // one sentence without a final full stop
  std::string mend;  // SQL, or what else is to be done; may be empty

  bool operator==(const Gap&) const = default;
};

}  // namespace lyceum::watch
