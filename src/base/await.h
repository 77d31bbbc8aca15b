#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <variant>

namespace lyceum {

// Runs one coroutine to its end on an io_context of its own, and gives what it gives: `make` takes
// the executor. What else is under way there when it ends is dropped. Throws what the coroutine
// throws, and std::runtime_error where it does not end within the limit.
template <class Make>
auto await(Make make, std::optional<std::chrono::seconds> limit = std::nullopt) {
  boost::asio::io_context io(1);
  using Value = typename decltype(make(io.get_executor()))::value_type;
  std::optional<std::conditional_t<std::is_void_v<Value>, std::monostate, Value>> value;
  std::exception_ptr failure;
  bool ended = false;
  const auto whole = [&]() -> boost::asio::awaitable<void> {
    if constexpr (std::is_void_v<Value>) {
      co_await make(io.get_executor());
    } else {
      value.emplace(co_await make(io.get_executor()));
    }
  };
  boost::asio::co_spawn(io, whole(), [&](std::exception_ptr error) {
    failure = error;
    ended = true;
    io.stop();
  });
  if (limit) {
    io.run_for(*limit);
  } else {
    io.run();
  }
  if (failure) std::rethrow_exception(failure);
  if (!ended) throw std::runtime_error("the coroutine did not end in time");
  if constexpr (!std::is_void_v<Value>) return std::move(*value);
}

}  // namespace lyceum
