#pragma once

#include <functional>
#include <memory>

#include "pg/connection.h"

namespace lyceum::pool {

// A connection held by one caller. Moving moves it; when the last holder lets go it returns to its
// pool, which rolls back what is open, drops session state, and closes it where that fails.
class Lease {
 public:
  Lease(std::shared_ptr<pg::Connection> connection, std::function<void()> give_back)
      : connection_(std::move(connection)), give_back_(std::move(give_back)) {}
  Lease(Lease&& other) noexcept
      : connection_(std::move(other.connection_)),
        give_back_(std::exchange(other.give_back_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      release();
      connection_ = std::move(other.connection_);
      give_back_ = std::exchange(other.give_back_, nullptr);
    }
    return *this;
  }
  ~Lease() { release(); }

  [[nodiscard]] pg::Connection& operator*() const { return *connection_; }
  [[nodiscard]] pg::Connection* operator->() const { return connection_.get(); }
  [[nodiscard]] const std::shared_ptr<pg::Connection>& connection() const { return connection_; }

  // Gives it back now.
  void release() {
    if (give_back_) std::exchange(give_back_, nullptr)();
    connection_.reset();
  }

 private:
  std::shared_ptr<pg::Connection> connection_;
  std::function<void()> give_back_;
};

}  // namespace lyceum::pool
