#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

namespace lyceum::cli {

// Runs one coroutine to its end on an io_context of its own: `make` takes the executor. Throws what
// the coroutine throws.
template <class Make>
auto await(Make make) {
  boost::asio::io_context io(1);
  using Value = typename decltype(make(io.get_executor()))::value_type;
  std::optional<Value> value;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, make(io.get_executor()),
                        [&](std::exception_ptr error, std::optional<Value> result) {
                          failure = error;
                          if (!error) value = std::move(result);
                          io.stop();
                        });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

}  // namespace lyceum::cli
