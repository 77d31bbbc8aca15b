#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace lyceum::watch {

namespace sqlite {
class Database;
}

// What is to be told to whom, on disk until it is: messages of each receiver in their order, and
// beside them the state of the alerts, so that both are written at once or not at all. One thread
// at a time. Errors are kIo and name the file.
class Outbox {
 public:
  // Of each receiver no more than `most` messages wait: a receiver that never comes back fills no
  // disk.
  [[nodiscard]] static Result<std::unique_ptr<Outbox>> open(const std::string& path,
                                                            std::int64_t most = 10'000);
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox();

  struct NewMessage {
    std::string receiver;
    std::string body;
  };
  struct Dropped {
    std::string receiver;
    std::int64_t messages = 0;
  };
  // Messages and what AlertBook::save() gave, in one transaction: after it nothing of it is lost,
  // but for the oldest messages of receivers that have too many, which are what it gives.
  [[nodiscard]] Result<std::vector<Dropped>> add(std::span<const NewMessage> messages,
                                                 std::string_view state, Timestamp now);
  // What was saved last; empty where nothing was.
  [[nodiscard]] Result<std::string> state();

  struct Message {
    std::int64_t id = 0;
    std::string body;
    int attempts = 0;
    Timestamp created{};
    Timestamp next_try{};
    std::string last_error;
  };
  // The oldest of a receiver.
  [[nodiscard]] Result<std::optional<Message>> next(std::string_view receiver);
  [[nodiscard]] Result<std::int64_t> waiting(std::string_view receiver);
  [[nodiscard]] Result<void> failed(std::int64_t id, std::string_view why, Timestamp next_try);
  // Delivered, or given up.
  [[nodiscard]] Result<void> remove(std::int64_t id);
  // Of receivers that are no more; how many there were.
  [[nodiscard]] Result<std::int64_t> forget_all_but(std::span<const std::string> receivers);

 private:
  Outbox(std::unique_ptr<sqlite::Database> database, std::int64_t most);
  std::unique_ptr<sqlite::Database> database_;
  std::int64_t most_;
};

}  // namespace lyceum::watch
