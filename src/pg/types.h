#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"

namespace lyceum::pg {

using Oid = unsigned int;

// The server's own numbers for its built-in types (pg_type.dat; they never change).
namespace oid {
inline constexpr Oid kBool = 16, kBytea = 17, kName = 19, kInt8 = 20, kInt2 = 21, kInt4 = 23,
                     kText = 25, kOid = 26, kJson = 114, kFloat4 = 700, kFloat8 = 701,
                     kUnknown = 705, kBpchar = 1042, kVarchar = 1043, kDate = 1082,
                     kTimestamptz = 1184, kNumeric = 1700, kVoid = 2278, kUuid = 2950,
                     kJsonb = 3802;
inline constexpr Oid kBoolArray = 1000, kByteaArray = 1001, kInt2Array = 1005, kInt4Array = 1007,
                     kTextArray = 1009, kInt8Array = 1016, kFloat4Array = 1021, kFloat8Array = 1022,
                     kDateArray = 1182, kTimestamptzArray = 1185, kNumericArray = 1231,
                     kUuidArray = 2951, kJsonbArray = 3807, kNameArray = 1003, kBpcharArray = 1014,
                     kVarcharArray = 1015, kOidArray = 1028, kJsonArray = 199;
}  // namespace oid

using Date = std::chrono::sys_days;
using Bytes = std::vector<std::byte>;

// A jsonb document as text; not parsed here.
struct Json {
  std::string text;
  bool operator==(const Json&) const = default;
};

// An exact decimal number as text: "-12.340", "NaN", "Infinity", "-Infinity".
struct Numeric {
  std::string text;
  bool operator==(const Numeric&) const = default;
};

}  // namespace lyceum::pg
