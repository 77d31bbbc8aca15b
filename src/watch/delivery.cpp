#include "watch/delivery.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <random>

#include "watch/http_post.h"

namespace lyceum::watch {
namespace {

using boost::asio::awaitable;

std::string path_added(const std::string& url, std::string_view path) {
  std::string out = url;
  while (out.ends_with('/')) out.pop_back();
  return out + std::string(path);
}

}  // namespace

struct Delivery::Post {
  Receiver receiver;
  boost::asio::steady_timer timer;
  DeliveryFigures figures;
  SteadyTime repeated{};
  bool repeats = false;  // it was told of something that fires, or may have been before a restart
};

struct Delivery::Shared {
  boost::asio::any_io_executor executor;
  Outbox& outbox;
  Log& log;
  const Clock& clock;
  DeliveryOptions options;
  Firing firing;
  std::vector<std::shared_ptr<Post>> posts;
  std::mt19937_64 random{std::random_device{}()};
  bool stopped = false;

  double chance() { return std::uniform_real_distribution<double>(0, 1)(random); }

  [[nodiscard]] HttpPost request(const Receiver& receiver, std::string body) const {
    HttpPost out{.url = receiver.url, .headers = {{"Content-Type", "application/json"}}};
    if (receiver.kind == ReceiverKind::alertmanager) {
      out.url = Secret(path_added(receiver.url.reveal(), "/api/v2/alerts"));
    }
    if (receiver.kind == ReceiverKind::webhook) {
      const auto seconds =
          std::chrono::duration_cast<std::chrono::seconds>(clock.wall_now().time_since_epoch());
      const auto timestamp = std::to_string(seconds.count());
      out.headers.emplace_back("X-Lyceum-Timestamp", timestamp);
      if (!receiver.key.empty()) {
        out.headers.emplace_back("X-Lyceum-Signature", signature(receiver.key, timestamp, body));
      }
    }
    out.body = std::move(body);
    out.timeout = options.timeout;
    out.ca_file = options.ca_file;
    return out;
  }
};

bool is_worth_another_try(int status) {
  return status == 408 || status == 425 || status == 429 || status < 200 || status >= 500;
}

Duration wait_after(int attempts, const DeliveryOptions& options, double random) {
  auto ceiling = options.backoff_initial;
  for (int i = 0; i < attempts && ceiling < options.backoff_max; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, options.backoff_max);
  const auto half = static_cast<double>(ceiling.count()) / 2;
  return Duration(static_cast<Duration::rep>(half + half * std::clamp(random, 0.0, 1.0)));
}

Delivery::Delivery(boost::asio::any_io_executor executor, std::vector<Receiver> receivers,
                   Outbox& outbox, Log& log, const Clock& clock, DeliveryOptions options,
                   Firing firing)
    : shared_(std::make_shared<Shared>(Shared{.executor = executor,
                                              .outbox = outbox,
                                              .log = log,
                                              .clock = clock,
                                              .options = std::move(options),
                                              .firing = std::move(firing),
                                              .posts = {}})) {
  for (auto& receiver : receivers) {
    auto name = receiver.name;
    shared_->posts.push_back(
        std::make_shared<Post>(Post{.receiver = std::move(receiver),
                                    .timer = boost::asio::steady_timer(executor),
                                    .figures = {.receiver = std::move(name)}}));
  }
}

Delivery::~Delivery() {
  stop();
}

Result<void> Delivery::send(std::span<const Notice> notices, std::string_view state) {
  std::vector<Outbox::NewMessage> messages;
  for (const auto& notice : notices) {
    for (const auto& post : shared_->posts) {
      auto body = message_for(post->receiver, notice);
      if (!body.empty())
        messages.push_back({.receiver = post->receiver.name, .body = std::move(body)});
    }
  }
  auto added = shared_->outbox.add(messages, state, shared_->clock.wall_now());
  if (added.has_error()) return added.error();
  for (const auto& [receiver, count] : *added) {
    shared_->log.error("messages are given up, the oldest first: the receiver takes none",
                       {{"receiver", receiver}, {"messages", count}});
    for (const auto& post : shared_->posts) {
      if (post->receiver.name == receiver) {
        post->figures.given_up += static_cast<std::uint64_t>(count);
      }
    }
  }
  for (const auto& post : shared_->posts) post->timer.cancel();
  return {};
}

void Delivery::start() {
  shared_->stopped = false;
  for (const auto& post : shared_->posts) {
    boost::asio::co_spawn(shared_->executor, serve(shared_, post), boost::asio::detached);
  }
}

void Delivery::stop() {
  shared_->stopped = true;
  for (const auto& post : shared_->posts) post->timer.cancel();
}

std::vector<DeliveryFigures> Delivery::figures() const {
  std::vector<DeliveryFigures> out;
  for (const auto& post : shared_->posts) out.push_back(post->figures);
  return out;
}

awaitable<void> Delivery::serve(std::shared_ptr<Shared> shared, std::shared_ptr<Post> post) {
  const auto& receiver = post->receiver;
  const auto& options = shared->options;
  while (!shared->stopped) {
    const auto next = shared->outbox.next(receiver.name);
    // A disk that cannot be read now may be later.
    Duration pause = options.backoff_max;
    std::string body;
    std::int64_t id = 0;
    int attempts = 0;
    if (next.has_error()) {
      post->figures.last_error = next.error().to_string();
      shared->log.error("the outbox of alerts cannot be read", next.error());
    } else if (*next) {
      const auto& message = **next;
      const Duration wait = message.next_try - shared->clock.wall_now();
      // A clock that was set back makes nobody wait for longer than ever meant.
      pause = std::min(wait, options.backoff_max);
      if (pause <= Duration{}) {
        body = message.body;
        id = message.id;
        attempts = message.attempts;
      }
    }
    if (receiver.kind == ReceiverKind::alertmanager && shared->firing && body.empty()) {
      const auto now = shared->clock.now();
      if (post->repeated == SteadyTime{} || now - post->repeated >= options.repeat) {
        post->repeated = now;
        // While its messages wait, it is down, and what they say comes first.
        auto firing = next.has_value() && *next ? std::vector<Alert>() : shared->firing();
        std::erase_if(firing, [&](const Alert& one) { return one.severity < receiver.least; });
        if (!firing.empty()) body = alertmanager_body(firing);
      }
      pause = std::min(pause, options.repeat - (now - post->repeated));
    }
    if (body.empty()) {
      boost::system::error_code ignored;
      post->timer.expires_after(std::max<Duration>(pause, std::chrono::milliseconds(1)));
      co_await post->timer.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
      continue;
    }
    if (receiver.kind == ReceiverKind::log) {
      shared->log.warning("alert", {{"message", body}});
      ++post->figures.delivered;
      if (auto removed = shared->outbox.remove(id); removed.has_error()) {
        post->figures.last_error = removed.error().to_string();
        break;  // it would be written again and again
      }
      continue;
    }
    const auto answer =
        co_await http_post(shared->executor, shared->request(receiver, std::move(body)));
    const bool taken = answer.has_value() && answer->status >= 200 && answer->status < 300;
    const auto why = taken ? std::string()
                     : answer.has_error()
                         ? answer.error().to_string()
                         : fmt::format("{} answered {}", shown_url(receiver.url), answer->status);
    post->figures.last_error = why;
    if (!taken) ++post->figures.failures;
    if (id == 0) continue;  // what was repeated is repeated again
    const bool never = answer.has_error() ? answer.error().code == ErrorCode::kConfiguration
                                          : !taken && !is_worth_another_try(answer->status);
    Result<void> stored;
    if (taken || never) {
      ++(taken ? post->figures.delivered : post->figures.given_up);
      if (never) {
        shared->log.error("an alert's message is given up",
                          {{"receiver", receiver.name}, {"why", why}, {"attempts", attempts + 1}});
      }
      stored = shared->outbox.remove(id);
    } else {
      auto wait = wait_after(attempts, options, shared->chance());
      if (answer.has_value() && answer->retry_after) {
        wait = std::min(std::max(wait, *answer->retry_after), options.backoff_max);
      }
      // The first is news; so is one that has failed for as long as it takes to wait the longest.
      if (attempts == 0 || attempts % 20 == 0) {
        shared->log.warning("an alert's message is not taken; it is kept and tried again",
                            {{"receiver", receiver.name},
                             {"why", why},
                             {"attempts", attempts + 1},
                             {"next_try", wait}});
      }
      const auto until =
          shared->clock.wall_now() + std::chrono::duration_cast<std::chrono::microseconds>(wait);
      stored = shared->outbox.failed(id, why, until);
    }
    if (stored.has_error()) {
      // Not in a tight loop: the same message would be sent again at once.
      post->figures.last_error = stored.error().to_string();
      shared->log.error("the outbox of alerts cannot be written", stored.error());
      boost::system::error_code ignored;
      post->timer.expires_after(options.backoff_initial);
      co_await post->timer.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }
}

}  // namespace lyceum::watch
