#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "watch/alerts.h"
#include "watch/message.h"
#include "watch/outbox.h"

namespace lyceum::watch {

struct DeliveryOptions {
  Duration timeout = std::chrono::seconds(10);  // of one attempt
  Duration backoff_initial = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::minutes(5);
  // How often an Alertmanager is told again what fires: well below its resolve_timeout (5 minutes
  // unless it is told otherwise).
  Duration repeat = std::chrono::minutes(1);
  std::string ca_file = {};  // trusted for https; empty: the system's
};

struct DeliveryFigures {
  std::string receiver;
  std::uint64_t delivered = 0;
  std::uint64_t failures = 0;  // attempts
  std::uint64_t given_up = 0;
  std::string last_error;  // empty once an attempt succeeded
};

// Takes messages out of the outbox and delivers them: to each receiver in their order, at least
// once, by a coroutine of its own, so that one that is down or slow holds up no other. A message
// stays in the outbox until it is taken; one that can never be (a status from 300 to 499 but 408,
// 425 and 429) is given up and logged. No URL's path and no key reaches the log.
//
// On one thread, that of the executor. Outbox, log and clock outlive it.
class Delivery {
 public:
  // What fires now, for receivers that want it repeated.
  using Firing = std::function<std::vector<Alert>()>;

  Delivery(boost::asio::any_io_executor executor, std::vector<Receiver> receivers, Outbox& outbox,
           Log& log, const Clock& clock, DeliveryOptions options = {}, Firing firing = {});
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery();

  // Stores the messages of these notices, for every receiver that is told of them, together with
  // the state of the alerts, and wakes who delivers. Error: kIo; then the notices have to be
  // brought again.
  Result<void> send(std::span<const Notice> notices, std::string_view state);

  void start();
  // Ends after at most the attempts that are under way; what they carry is delivered again.
  void stop();
  [[nodiscard]] std::vector<DeliveryFigures> figures() const;

 private:
  struct Shared;
  struct Post;
  static boost::asio::awaitable<void> serve(std::shared_ptr<Shared> shared,
                                            std::shared_ptr<Post> post);

  std::shared_ptr<Shared> shared_;
};

// Whether a status says that the same message may be taken later.
[[nodiscard]] bool is_worth_another_try(int status);

// How long to wait after so many failed attempts: half of min(max, initial * 2^attempts) and a
// random part of the other half.
[[nodiscard]] Duration wait_after(int attempts, const DeliveryOptions& options, double random);

}  // namespace lyceum::watch
