// What a server sends, as a broken network or another program on the port may send it.
#include "fuzz/check.h"
#include "pg/protocol.h"
#include "pg/rows.h"

using namespace lyceum::pg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bytes = fuzz::text_of(data, size);
  protocol::Message message{};
  std::size_t needed = 0;
  Rows rows;
  while (protocol::read_message(bytes, message, needed) == protocol::Framing::complete) {
    fuzz::check(message.size <= bytes.size() && message.body.size() < message.size,
                "a message is longer than what came");
    bytes.remove_prefix(message.size);
    if (auto columns = protocol::read_columns(message.body)) rows = Rows(std::move(columns));
    const auto before = rows.size();
    const bool added = rows.add(message.body);
    fuzz::check(rows.size() == before + (added ? 1 : 0), "a row was half added");
    for (int column = 0; added && column < rows.columns(); ++column) {
      const auto value = rows[before].bytes(column);
      fuzz::check(value.size() <= message.body.size(), "a value is longer than its row");
    }
    (void)protocol::read_report(message.body);
    (void)protocol::read_notification(message.body);
    (void)protocol::read_parameter_status(message.body);
    if (const auto command = protocol::read_command(message.body)) rows.complete(*command);
    (void)rows.affected();
    (void)protocol::read_transaction_status(message.body);
  }
  return 0;
}
