#include "pg/input.h"

#include <algorithm>
#include <cstring>

namespace lyceum::pg {

void Input::room(std::size_t message) {
  const auto unread = end_ - begin_;
  // At least a quarter free, so that a message's last bytes are not fetched one by one.
  auto wanted = std::max(message, unread + kUsual / 4);
  if (unread == 0) {
    begin_ = end_ = 0;
    if (capacity_ > kMostKept && message <= kMostKept) capacity_ = 0;
  }
  if (capacity_ - begin_ >= wanted && capacity_ > 0) return;
  if (capacity_ >= wanted) {
    std::memmove(data_.get(), data_.get() + begin_, unread);
  } else {
    // A length that a broken stream claims is not believed before the bytes come.
    wanted = std::min(wanted, std::max(2 * unread, kUsual));
    wanted = std::max(wanted, unread + kUsual / 4);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (unread > 0) std::memcpy(larger.get(), data_.get() + begin_, unread);
    data_ = std::move(larger);
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = unread;
}

}  // namespace lyceum::pg
