#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "pg/types.h"

// C++ values to and from PostgreSQL's binary format: the formats of the send and receive functions
// in the server's src/backend/utils/adt.

namespace lyceum::pg {

namespace wire {

template <std::integral T>
void put(std::string& out, T value) {
  using U = std::make_unsigned_t<T>;
  auto bits = static_cast<U>(value);
  if constexpr (sizeof(U) == 2) bits = __builtin_bswap16(bits);
  if constexpr (sizeof(U) == 4) bits = __builtin_bswap32(bits);
  if constexpr (sizeof(U) == 8) bits = __builtin_bswap64(bits);
  char bytes[sizeof(U)];
  std::memcpy(bytes, &bits, sizeof(U));
  out.append(bytes, sizeof(U));
}

[[noreturn]] void bad_length(std::string_view type, std::size_t got);
[[noreturn]] void unexpected_null();
// For a value that the server has no room for: kBadInput.
[[noreturn]] void out_of_range(std::string_view type);

// The type of an array's elements; 0 for a type that is no array known here.
[[nodiscard]] Oid element_type(Oid array);

template <std::integral T>
T get(std::string_view bytes) {
  if (bytes.size() < sizeof(T)) bad_length("integer", bytes.size());
  std::make_unsigned_t<T> bits;
  std::memcpy(&bits, bytes.data(), sizeof(T));
  if constexpr (sizeof(T) == 2) bits = __builtin_bswap16(bits);
  if constexpr (sizeof(T) == 4) bits = __builtin_bswap32(bits);
  if constexpr (sizeof(T) == 8) bits = __builtin_bswap64(bits);
  return static_cast<T>(bits);
}

// Reads a value of exactly this size.
template <std::integral T>
T get_all(std::string_view bytes, std::string_view type) {
  if (bytes.size() != sizeof(T)) bad_length(type, bytes.size());
  return get<T>(bytes);
}

void put_numeric(std::string& out, std::string_view text);
std::string get_numeric(std::string_view bytes);

}  // namespace wire

// How T travels. A specialization has
//   kOid, kArrayOid                              what a parameter of it is declared as
//   static bool accepts(Oid)                     which column types it can be read from
//   static void encode(std::string& out, const T&)   appends the value's bytes
//   static T decode(std::string_view bytes, Oid)     throws Exception (kInternal) on malformed
//   bytes
template <class T>
struct Codec;

template <>
struct Codec<bool> {
  static constexpr Oid kOid = oid::kBool, kArrayOid = oid::kBoolArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, bool value) { out.push_back(value ? 1 : 0); }
  static bool decode(std::string_view bytes, Oid) {
    if (bytes.size() != 1) wire::bad_length("bool", bytes.size());
    return bytes[0] != 0;
  }
};

template <>
struct Codec<std::int16_t> {
  static constexpr Oid kOid = oid::kInt2, kArrayOid = oid::kInt2Array;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, std::int16_t value) { wire::put(out, value); }
  static std::int16_t decode(std::string_view bytes, Oid) {
    return wire::get_all<std::int16_t>(bytes, "int2");
  }
};

template <>
struct Codec<std::int32_t> {
  static constexpr Oid kOid = oid::kInt4, kArrayOid = oid::kInt4Array;
  static bool accepts(Oid type) { return type == kOid || type == oid::kInt2; }
  static void encode(std::string& out, std::int32_t value) { wire::put(out, value); }
  static std::int32_t decode(std::string_view bytes, Oid type) {
    if (type == oid::kInt2) return Codec<std::int16_t>::decode(bytes, type);
    return wire::get_all<std::int32_t>(bytes, "int4");
  }
};

// Also reads the narrower integers and oid, since widening loses nothing.
template <>
struct Codec<std::int64_t> {
  static constexpr Oid kOid = oid::kInt8, kArrayOid = oid::kInt8Array;
  static bool accepts(Oid type) {
    return type == kOid || type == oid::kInt4 || type == oid::kInt2 || type == oid::kOid;
  }
  static void encode(std::string& out, std::int64_t value) { wire::put(out, value); }
  static std::int64_t decode(std::string_view bytes, Oid type) {
    if (type == oid::kOid) return wire::get_all<std::uint32_t>(bytes, "oid");
    if (type != kOid) return Codec<std::int32_t>::decode(bytes, type);
    return wire::get_all<std::int64_t>(bytes, "int8");
  }
};

// Also reads float4 (exact) and numeric (to the nearest double).
template <>
struct Codec<double> {
  static constexpr Oid kOid = oid::kFloat8, kArrayOid = oid::kFloat8Array;
  static bool accepts(Oid type) {
    return type == kOid || type == oid::kFloat4 || type == oid::kNumeric;
  }
  static void encode(std::string& out, double value) {
    wire::put(out, std::bit_cast<std::int64_t>(value));
  }
  static double decode(std::string_view bytes, Oid type);
};

template <>
struct Codec<std::string_view> {
  static constexpr Oid kOid = oid::kText, kArrayOid = oid::kTextArray;
  static void encode(std::string& out, std::string_view value) { out += value; }
  static bool accepts(Oid type) {
    return type == oid::kText || type == oid::kVarchar || type == oid::kBpchar ||
           type == oid::kName || type == oid::kUnknown;
  }
  // Points into the result: valid as long as the Rows it came from.
  static std::string_view decode(std::string_view bytes, Oid) { return bytes; }
};

template <>
struct Codec<std::string> {
  static constexpr Oid kOid = oid::kText, kArrayOid = oid::kTextArray;
  static bool accepts(Oid type) { return Codec<std::string_view>::accepts(type); }
  static void encode(std::string& out, const std::string& value) { out += value; }
  static std::string decode(std::string_view bytes, Oid) { return std::string(bytes); }
};

template <>
struct Codec<const char*> {
  static constexpr Oid kOid = oid::kText, kArrayOid = oid::kTextArray;
  static void encode(std::string& out, const char* value) { out += value; }
};

template <>
struct Codec<Uuid> {
  static constexpr Oid kOid = oid::kUuid, kArrayOid = oid::kUuidArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, const Uuid& value) {
    out.append(reinterpret_cast<const char*>(value.data), sizeof(value.data));
  }
  static Uuid decode(std::string_view bytes, Oid) {
    Uuid value;
    if (bytes.size() != sizeof(value.data)) wire::bad_length("uuid", bytes.size());
    std::memcpy(value.data, bytes.data(), sizeof(value.data));
    return value;
  }
};

template <>
struct Codec<Bytes> {
  static constexpr Oid kOid = oid::kBytea, kArrayOid = oid::kByteaArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, std::span<const std::byte> value) {
    out.append(reinterpret_cast<const char*>(value.data()), value.size());
  }
  static Bytes decode(std::string_view bytes, Oid) {
    const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
    return {begin, begin + bytes.size()};
  }
};

// Days since 2000-01-01. The server's 'infinity' dates have no counterpart here and are refused, as
// are dates beyond 32 bits (kBadInput).
template <>
struct Codec<Date> {
  static constexpr Oid kOid = oid::kDate, kArrayOid = oid::kDateArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, Date value);
  static Date decode(std::string_view bytes, Oid);
};

// Microseconds since 2000-01-01 00:00 UTC. The server's 'infinity' is Timestamp::max(),
// '-infinity' Timestamp::min(), both ways. What only one side can hold is refused: moments within
// 30 years of the ends of Timestamp (kBadInput), and the server's after 294247-01-10 (kInternal).
template <>
struct Codec<Timestamp> {
  static constexpr Oid kOid = oid::kTimestamptz, kArrayOid = oid::kTimestamptzArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, Timestamp value);
  static Timestamp decode(std::string_view bytes, Oid);
};

template <>
struct Codec<Json> {
  static constexpr Oid kOid = oid::kJsonb, kArrayOid = oid::kJsonbArray;
  static bool accepts(Oid type) { return type == kOid || type == oid::kJson; }
  static void encode(std::string& out, const Json& value) {
    out.push_back(1);  // jsonb's format version
    out += value.text;
  }
  static Json decode(std::string_view bytes, Oid type) {
    if (type == oid::kJsonb) {
      if (bytes.empty() || bytes[0] != 1) wire::bad_length("jsonb", bytes.size());
      bytes.remove_prefix(1);
    }
    return {std::string(bytes)};
  }
};

template <>
struct Codec<Numeric> {
  static constexpr Oid kOid = oid::kNumeric, kArrayOid = oid::kNumericArray;
  static bool accepts(Oid type) { return type == kOid; }
  static void encode(std::string& out, const Numeric& value) { wire::put_numeric(out, value.text); }
  static Numeric decode(std::string_view bytes, Oid) { return {wire::get_numeric(bytes)}; }
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {
  using Value = T;
};

namespace wire {

// Appends one value with its length before it, as parameters of arrays and rows of COPY have it.
template <class T>
void put_sized(std::string& out, const T& value) {
  if constexpr (IsOptional<T>::value) {
    if (!value) return put(out, std::int32_t{-1});
    return put_sized(out, *value);
  } else if constexpr (std::is_array_v<T>) {
    return put_sized(out, std::string_view(value));  // a string literal
  } else {
    const auto at = out.size();
    put(out, std::int32_t{0});
    Codec<T>::encode(out, value);
    const auto length = __builtin_bswap32(static_cast<std::uint32_t>(out.size() - at - 4));
    std::memcpy(out.data() + at, &length, 4);
  }
}

struct ArrayReader {
  explicit ArrayReader(std::string_view bytes);
  Oid element = 0;
  std::size_t size = 0;
  // The next element, or nothing for NULL.
  std::optional<std::string_view> next();

 private:
  std::string_view rest_;
};

}  // namespace wire

// One-dimensional arrays; elements that may be NULL are std::optional. Several dimensions are read
// as one, in storage order.
template <class T>
struct Codec<std::vector<T>> {
  static constexpr auto element_codec() {
    if constexpr (IsOptional<T>::value) {
      return Codec<typename IsOptional<T>::Value>{};
    } else {
      return Codec<T>{};
    }
  }
  using Inner = decltype(element_codec());
  static constexpr Oid kOid = Inner::kArrayOid, kArrayOid = Inner::kArrayOid;
  // As for single values: arrays of narrower numbers are read too.
  static bool accepts(Oid type) {
    const auto element = wire::element_type(type);
    return element != 0 && Inner::accepts(element);
  }
  static void encode(std::string& out, const std::vector<T>& values)
    requires std::same_as<T, bool>
  {
    encode_all(out, values);
  }
  static void encode(std::string& out, std::span<const T> values)
    requires(!std::same_as<T, bool>)
  {
    encode_all(out, values);
  }
  static void encode_all(std::string& out, const auto& values) {
    bool nulls = false;
    if constexpr (IsOptional<T>::value) {
      for (const auto& value : values) nulls = nulls || !value;
    }
    wire::put(out, std::int32_t{values.empty() ? 0 : 1});  // dimensions
    wire::put(out, std::int32_t{nulls});
    wire::put(out, static_cast<std::int32_t>(Inner::kOid));
    if (values.empty()) return;
    wire::put(out, static_cast<std::int32_t>(values.size()));
    wire::put(out, std::int32_t{1});  // lower bound
    for (const auto& value : values) wire::put_sized<T>(out, value);
  }
  static std::vector<T> decode(std::string_view bytes, Oid) {
    wire::ArrayReader reader(bytes);
    std::vector<T> values;
    values.reserve(reader.size);
    for (std::size_t i = 0; i < reader.size; ++i) {
      const auto element = reader.next();
      if constexpr (IsOptional<T>::value) {
        if (element) {
          values.emplace_back(Inner::decode(*element, reader.element));
        } else {
          values.emplace_back();
        }
      } else {
        if (!element) wire::unexpected_null();
        values.push_back(Inner::decode(*element, reader.element));
      }
    }
    return values;
  }
};

}  // namespace lyceum::pg
