#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
  [[nodiscard]] static Result<std::unique_ptr<Outbox>> open(const std::string& path);
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox();

  struct NewMessage {
    std::string receiver;
    std::string body;
  };
  // Messages and what AlertBook::save() gave, in one transaction: after it nothing of it is lost.
  [[nodiscard]] Result<void> add(std::span<const NewMessage> messages, std::string_view state,
                                 Timestamp now);
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
  explicit Outbox(std::unique_ptr<sqlite::Database> database);
  std::unique_ptr<sqlite::Database> database_;
};

}  // namespace lyceum::watch
