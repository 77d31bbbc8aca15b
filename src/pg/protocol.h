#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/params.h"
#include "pg/types.h"

// PostgreSQL's frontend/backend protocol 3.0, as far as a connected client speaks it (PostgreSQL
// documentation, "Message Flow" and "Message Formats"). Bytes in, bytes out: no I/O.

namespace lyceum::pg::protocol {

// ── what we say: each function appends one message ──────────────────────────────────────────────

// Neither a name nor a text may hold a NUL, and a message holds less than 1 GiB: see fits().
void put_parse(std::string& out, std::string_view name, std::string_view text,
               std::span<const Params::Item> parameters);
// The unnamed portal; parameters and results in binary.
void put_bind(std::string& out, std::string_view name, const Params& params);
// The same with one parameter, in text.
void put_bind(std::string& out, std::string_view name, std::string_view only);
void put_describe_portal(std::string& out);
void put_execute(std::string& out);
void put_sync(std::string& out);
void put_query(std::string& out, std::string_view sql);
void put_copy_data(std::string& out, std::string_view bytes);
void put_copy_done(std::string& out);
void put_copy_fail(std::string& out, std::string_view reason);

// Whether the protocol can carry it; else why not, in a few words.
[[nodiscard]] std::optional<std::string_view> refusal(std::string_view text, const Params& params);

// ── what the server says ────────────────────────────────────────────────────────────────────────

// The first byte of a message.
enum class Tag : char {
  bind_complete = '2',
  close_complete = '3',
  command_complete = 'C',
  copy_both_response = 'W',
  copy_data = 'd',
  copy_done = 'c',
  copy_in_response = 'G',
  copy_out_response = 'H',
  data_row = 'D',
  empty_query_response = 'I',
  error_response = 'E',
  no_data = 'n',
  notice_response = 'N',
  notification_response = 'A',
  parameter_status = 'S',
  parse_complete = '1',
  ready_for_query = 'Z',
  row_description = 'T',
};

struct Message {
  Tag tag;
  std::string_view body;  // points into what it was read from
  std::size_t size = 0;   // of the whole message
};

enum class Framing : std::uint8_t { complete, incomplete, broken };

// The message that `bytes` begins with. Broken: a kind that no server sends to a client like this,
// or a length that it cannot have; nothing behind it can be trusted. `needed`, of an incomplete
// message whose length is known, is its size, else 0.
[[nodiscard]] Framing read_message(std::string_view bytes, Message& out, std::size_t& needed);

struct Column {
  std::string name;
  Oid type = 0;
  bool text = false;  // its values are in text format
};
using Columns = std::vector<Column>;

// What RowDescription says; null where it is malformed.
[[nodiscard]] std::shared_ptr<const Columns> read_columns(std::string_view body);

// What ErrorResponse and NoticeResponse say, as far as it is used.
struct Report {
  std::string_view severity;  // never translated
  std::string_view sqlstate;
  std::string_view message;
  std::string_view hint;

  // The server ends the connection with this.
  [[nodiscard]] bool farewell() const { return severity == "FATAL" || severity == "PANIC"; }
};
[[nodiscard]] std::optional<Report> read_report(std::string_view body);

struct Notice {
  std::int32_t process = 0;
  std::string_view channel;
  std::string_view payload;
};
[[nodiscard]] std::optional<Notice> read_notification(std::string_view body);

struct Setting {
  std::string_view name;
  std::string_view value;
};
[[nodiscard]] std::optional<Setting> read_parameter_status(std::string_view body);

// CommandComplete's word: "INSERT 0 5".
[[nodiscard]] std::optional<std::string_view> read_command(std::string_view body);

// ReadyForQuery's: 'I' idle, 'T' in a transaction, 'E' in a failed one; 0 where it is none of them.
[[nodiscard]] char read_transaction_status(std::string_view body);

}  // namespace lyceum::pg::protocol
