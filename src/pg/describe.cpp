#include "pg/describe.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace lyceum::pg {
namespace {

std::string type_name(Oid type) {
  switch (type) {
    case oid::kBool:
      return "bool";
    case oid::kBytea:
      return "bytea";
    case oid::kInt2:
      return "int2";
    case oid::kInt4:
      return "int4";
    case oid::kInt8:
      return "int8";
    case oid::kText:
      return "text";
    case oid::kFloat4:
      return "float4";
    case oid::kFloat8:
      return "float8";
    case oid::kDate:
      return "date";
    case oid::kTimestamptz:
      return "timestamptz";
    case oid::kNumeric:
      return "numeric";
    case oid::kUuid:
      return "uuid";
    case oid::kJsonb:
      return "jsonb";
    default:
      break;
  }
  if (const Oid element = wire::element_type(type); element != 0) return type_name(element) + "[]";
  return fmt::format("type {}", type);
}

std::string value_text(Oid type, std::string_view bytes) {
  switch (type) {
    case oid::kBool:
      return Codec<bool>::decode(bytes, type) ? "true" : "false";
    case oid::kInt2:
      return std::to_string(Codec<std::int16_t>::decode(bytes, type));
    case oid::kInt4:
      return std::to_string(Codec<std::int32_t>::decode(bytes, type));
    case oid::kInt8:
      return std::to_string(Codec<std::int64_t>::decode(bytes, type));
    case oid::kFloat8:
      return fmt::format("{}", Codec<double>::decode(bytes, type));
    case oid::kText:
      return std::string(bytes);
    case oid::kUuid:
      return to_string(Codec<Uuid>::decode(bytes, type));
    case oid::kNumeric:
      return Codec<Numeric>::decode(bytes, type).text;
    case oid::kJsonb:
      return Codec<Json>::decode(bytes, type).text;
    case oid::kTimestamptz:
      return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(
                                                      Codec<Timestamp>::decode(bytes, type)));
    case oid::kDate:
      return fmt::format("{:%Y-%m-%d}", Codec<Date>::decode(bytes, type));
    default:
      break;
  }
  // An array's third and fourth words are its first dimension: how many, and from which index.
  if (wire::element_type(type) != 0 && bytes.size() >= 16) {
    return fmt::format("{} elements", wire::get<std::int32_t>(bytes.substr(12)));
  }
  return fmt::format("{} bytes", bytes.size());
}

}  // namespace

std::vector<ParameterDescription> describe(const Params& params, bool with_values) {
  std::vector<ParameterDescription> out;
  for (const auto& item : params.items()) {
    auto& one = out.emplace_back();
    one.type = type_name(item.type);
    one.is_null = item.length < 0;
    if (one.is_null) continue;
    const std::string_view bytes(params.value(item), static_cast<std::size_t>(item.length));
    one.bytes = bytes.size();
    if (with_values) one.text = value_text(item.type, bytes);
  }
  return out;
}

}  // namespace lyceum::pg
