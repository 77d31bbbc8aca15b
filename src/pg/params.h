#pragma once

#include <boost/container/small_vector.hpp>
#include <string>

#include "pg/codec.h"

namespace lyceum::pg {

// The parameters of one statement, $1 onwards, in binary. Values are copied in.
//   Params(tenant, "B1", std::optional<int>{}, std::vector<Uuid>{...})
class Params {
 public:
  Params() = default;
  template <class First, class... Rest>
    requires(!std::same_as<std::remove_cvref_t<First>, Params>)
  explicit Params(const First& first, const Rest&... rest) {
    bytes_.reserve(64);
    add(first);
    (add(rest), ...);
  }

  template <class T>
  Params& add(const T& value) {
    if constexpr (IsOptional<T>::value) {
      if (value) return add(*value);
      items_.push_back({Codec<typename IsOptional<T>::Value>::kOid, 0, -1});
    } else if constexpr (std::is_array_v<T>) {
      return add(std::string_view(value));  // a string literal
    } else {
      const auto at = bytes_.size();
      Codec<T>::encode(bytes_, value);
      // The server takes no message of more than a GiB; libpq reads a length beyond int as NULL.
      if (bytes_.size() - at > kMostBytes) wire::out_of_range("a parameter (1 GiB)");
      items_.push_back({Codec<T>::kOid, at, static_cast<int>(bytes_.size() - at)});
    }
    return *this;
  }

  struct Item {
    Oid type;
    std::size_t offset;
    int length;  // -1 for NULL
  };
  [[nodiscard]] std::span<const Item> items() const { return {items_.data(), items_.size()}; }
  // Never null for a value that is not NULL, also where it is empty: libpq reads null as NULL.
  [[nodiscard]] const char* value(const Item& item) const {
    return item.length < 0 ? nullptr : bytes_.data() + item.offset;
  }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }

 private:
  static constexpr std::size_t kMostBytes = 0x3fff'ffff;

  std::string bytes_;
  boost::container::small_vector<Item, 8> items_;
};

// For statements without any. A default argument must outlive a coroutine that starts later.
inline const Params kNoParams{};

}  // namespace lyceum::pg
