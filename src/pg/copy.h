#pragma once

#include <string>

#include "pg/codec.h"

namespace lyceum::pg {

// Rows in COPY's binary format (PostgreSQL documentation, "COPY, Binary Format"), gathered until
// taken. The statement is COPY table (columns) FROM STDIN (FORMAT binary); each value's C++ type
// must be the column's type exactly, for COPY converts nothing.
class CopyBuffer {
 public:
  CopyBuffer() { bytes_.append("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19); }

  template <class... Values>
  void row(const Values&... values) {
    wire::put(bytes_, static_cast<std::int16_t>(sizeof...(Values)));
    (wire::put_sized(bytes_, values), ...);
    ++rows_;
  }

  // Ends the data: the last thing before the last take().
  void trailer() { wire::put(bytes_, std::int16_t{-1}); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  // Forgets what has been sent; keeps the memory.
  void clear() { bytes_.clear(); }

 private:
  std::string bytes_;
  std::int64_t rows_ = 0;
};

}  // namespace lyceum::pg
