#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace lyceum::pg {

// What has come from the server and is not read yet: one piece of memory that grows with the
// longest message and shrinks again. Views into it hold until room() is asked for.
class Input {
 public:
  static constexpr std::size_t kUsual = 32 * 1024;
  static constexpr std::size_t kMostKept = 1024 * 1024;

  [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t count) { begin_ += count; }

  // Makes room for a message of this size, whose beginning is there, and at least for something;
  // begin() and size() are then where the next bytes go.
  void room(std::size_t message);
  [[nodiscard]] char* free_begin() { return data_.get() + end_; }
  [[nodiscard]] std::size_t free_size() const { return capacity_ - end_; }
  void commit(std::size_t count) { end_ += count; }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace lyceum::pg
