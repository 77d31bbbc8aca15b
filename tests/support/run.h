#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

namespace lyceum::testing {

// Runs one coroutine to its end on an io_context of its own, and gives what it gives. `make` takes
// the executor. Throws what it throws, and std::runtime_error where it does not end in time.
template <class Make>
auto run(Make make, std::chrono::seconds limit = std::chrono::seconds(60)) {
  boost::asio::io_context io(1);
  using Awaitable = decltype(make(io.get_executor()));
  using Value = typename Awaitable::value_type;
  std::exception_ptr failure;
  bool ended = false;
  if constexpr (std::is_void_v<Value>) {
    boost::asio::co_spawn(io, make(io.get_executor()), [&](std::exception_ptr error) {
      failure = error;
      ended = true;
      io.stop();
    });
    io.run_for(limit);
    if (!ended) throw std::runtime_error("the coroutine did not end in time");
    if (failure) std::rethrow_exception(failure);
  } else {
    std::optional<Value> value;
    boost::asio::co_spawn(io, make(io.get_executor()),
                          [&](std::exception_ptr error, std::optional<Value> result) {
                            failure = error;
                            if (!error) value = std::move(result);
                            ended = true;
                            io.stop();
                          });
    io.run_for(limit);
    if (!ended) throw std::runtime_error("the coroutine did not end in time");
    if (failure) std::rethrow_exception(failure);
    return std::move(*value);
  }
}

}  // namespace lyceum::testing
