#include "watch/outbox.h"

#include <algorithm>
#include <set>

#include "watch/sqlite.h"

namespace lyceum::watch {
namespace {

std::int64_t micros(Timestamp at) {
  return at.time_since_epoch().count();
}
Timestamp timestamp(std::int64_t at) {
  return Timestamp(std::chrono::microseconds(at));
}

}  // namespace

Outbox::Outbox(std::unique_ptr<sqlite::Database> database, std::int64_t most)
    : database_(std::move(database)), most_(most) {}
Outbox::~Outbox() = default;

Result<std::unique_ptr<Outbox>> Outbox::open(const std::string& path, std::int64_t most) {
  auto database = sqlite::Database::open(path, false);
  if (database.has_error()) return database.error();
  auto made = (*database)->run(
      "PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL;"
      "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY AUTOINCREMENT,"
      "  receiver TEXT NOT NULL, body TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
      "  created INTEGER NOT NULL, next_try INTEGER NOT NULL, last_error TEXT NOT NULL DEFAULT '');"
      "CREATE INDEX IF NOT EXISTS message_of_receiver ON message (receiver, id);"
      "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1),"
      "  document TEXT NOT NULL);");
  if (made.has_error()) return made.error();
  return std::unique_ptr<Outbox>(new Outbox(std::move(*database), most));
}

Result<std::vector<Outbox::Dropped>> Outbox::add(std::span<const NewMessage> messages,
                                                 std::string_view state, Timestamp now) {
  auto transaction = sqlite::Transaction::begin(*database_);
  if (transaction.has_error()) return transaction.error();
  auto insert = database_->prepare(
      "INSERT INTO message (receiver, body, created, next_try) VALUES (?, ?, ?, ?)");
  if (insert.has_error()) return insert.error();
  for (const auto& message : messages) {
    insert->bind(1, std::string_view(message.receiver)).bind(2, std::string_view(message.body));
    insert->bind(3, micros(now)).bind(4, micros(now));
    if (auto done = insert->run(); done.has_error()) return done.error();
    insert->reset();
  }
  auto keep = database_->prepare("INSERT OR REPLACE INTO state (id, document) VALUES (1, ?)");
  if (keep.has_error()) return keep.error();
  keep->bind(1, state);
  if (auto done = keep->run(); done.has_error()) return done.error();
  std::set<std::string_view> receivers;
  for (const auto& message : messages) receivers.insert(message.receiver);
  std::vector<Dropped> dropped;
  for (const auto receiver : receivers) {
    const auto held = waiting(receiver);
    if (held.has_error()) return held.error();
    if (*held <= most_) continue;
    auto drop = database_->prepare(
        "DELETE FROM message WHERE id IN"
        " (SELECT id FROM message WHERE receiver = ? ORDER BY id LIMIT ?)");
    if (drop.has_error()) return drop.error();
    drop->bind(1, receiver).bind(2, *held - most_);
    if (auto done = drop->run(); done.has_error()) return done.error();
    dropped.push_back({std::string(receiver), *held - most_});
  }
  if (auto done = transaction->commit(); done.has_error()) return done.error();
  return dropped;
}

Result<std::string> Outbox::state() {
  auto query = database_->prepare("SELECT document FROM state");
  if (query.has_error()) return query.error();
  const auto row = query->step();
  if (row.has_error()) return row.error();
  return *row ? query->text(0) : std::string();
}

Result<std::optional<Outbox::Message>> Outbox::next(std::string_view receiver) {
  auto query = database_->prepare(
      "SELECT id, body, attempts, created, next_try, last_error FROM message"
      " WHERE receiver = ? ORDER BY id LIMIT 1");
  if (query.has_error()) return query.error();
  query->bind(1, receiver);
  const auto row = query->step();
  if (row.has_error()) return row.error();
  if (!*row) return std::optional<Message>();
  return std::optional(Message{.id = query->integer(0),
                               .body = query->text(1),
                               .attempts = static_cast<int>(query->integer(2)),
                               .created = timestamp(query->integer(3)),
                               .next_try = timestamp(query->integer(4)),
                               .last_error = query->text(5)});
}

Result<std::int64_t> Outbox::waiting(std::string_view receiver) {
  auto query = database_->prepare("SELECT count(*) FROM message WHERE receiver = ?");
  if (query.has_error()) return query.error();
  query->bind(1, receiver);
  const auto row = query->step();
  if (row.has_error()) return row.error();
  return query->integer(0);
}

Result<void> Outbox::failed(std::int64_t id, std::string_view why, Timestamp next_try) {
  auto update = database_->prepare(
      "UPDATE message SET attempts = attempts + 1, last_error = ?, next_try = ? WHERE id = ?");
  if (update.has_error()) return update.error();
  update->bind(1, why).bind(2, micros(next_try)).bind(3, id);
  return update->run();
}

Result<void> Outbox::remove(std::int64_t id) {
  auto statement = database_->prepare("DELETE FROM message WHERE id = ?");
  if (statement.has_error()) return statement.error();
  statement->bind(1, id);
  return statement->run();
}

Result<std::int64_t> Outbox::forget_all_but(std::span<const std::string> receivers) {
  std::set<std::string> gone;
  {
    auto query = database_->prepare("SELECT DISTINCT receiver FROM message");
    if (query.has_error()) return query.error();
    for (;;) {
      const auto row = query->step();
      if (row.has_error()) return row.error();
      if (!*row) break;
      auto name = query->text(0);
      if (std::find(receivers.begin(), receivers.end(), name) == receivers.end()) {
        gone.insert(std::move(name));
      }
    }
  }
  std::int64_t count = 0;
  for (const auto& name : gone) {
    auto statement = database_->prepare("DELETE FROM message WHERE receiver = ?");
    if (statement.has_error()) return statement.error();
    statement->bind(1, std::string_view(name));
    if (auto done = statement->run(); done.has_error()) return done.error();
    count += database_->changes();
  }
  return count;
}

}  // namespace lyceum::watch
