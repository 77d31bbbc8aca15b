#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "pg/rows.h"

namespace lyceum::server {

// JSON written straight from a result's binary values: no document in between, no copy of a value.
//   bool, int2/4/8, float4/8, numeric   numbers (NaN and infinities: null)
//   uuid, text and its like             strings
//   timestamptz                         "2026-01-31T12:00:00Z", with microseconds where there are
//                                       any
//   date                                "2026-01-31"
//   json, jsonb                         as they are
// Times outside of the years 0 to 9999, infinite ones too, are null.
// Columns of other types throw Exception (kInternal), which names the column.
class RowWriter {
 public:
  // The rows outlive the writer.
  explicit RowWriter(const pg::Rows& rows) : RowWriter(rows, rows.columns()) {}
  // The first so many columns alone.
  RowWriter(const pg::Rows& rows, int columns);

  // One row as an object, its columns as members in their order.
  void append_object(std::string& out, int row) const;
  // The members alone, without braces: for an object that has others too.
  void append_members(std::string& out, int row) const;
  // The first `count` rows as an array of objects.
  void append_array(std::string& out, int count) const;
  void append_array(std::string& out) const { append_array(out, rows_->size()); }

 private:
  struct Column {
    std::string key;  // "\"name\":"
    pg::Oid type;
  };
  const pg::Rows* rows_;
  std::vector<Column> columns_;
};

void append_json_uuid(std::string& out, const Uuid& value);
void append_json_timestamp(std::string& out, Timestamp value);
void append_json_date(std::string& out, pg::Date value);
// The shortest decimal that reads back as the same number; null where it is none.
void append_json_number(std::string& out, double value);

}  // namespace lyceum::server
