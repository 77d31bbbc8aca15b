#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

#include "base/duration.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/top_frame.h"
#include "cluster/nodes.h"
#include "watch/collection.h"
#include "watch/gather.h"
#include "watch/live.h"

namespace lyceum::cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

// Of one reading of a server: who hangs is said to, and asked again.
constexpr watch::Limits kLimits{.connect = std::chrono::seconds(2),
                                .fast = std::chrono::seconds(2),
                                .slow = std::chrono::seconds(5)};
constexpr auto kVerdictsEvery = std::chrono::minutes(1);
constexpr auto kVerdictsLimit = std::chrono::seconds(10);
// What is under way when it ends is given up, and has so long to notice.
constexpr auto kFarewell = std::chrono::seconds(2);
constexpr std::size_t kPlainWidth = 160;

struct Arguments {
  std::string interval = "2s";
  std::string view = "sessions";
  int limit = 0;
  bool once = false;
};

// Reads the servers, each in a coroutine of its own, and shows what there is whenever there is
// something new. One thread.
class Top {
 public:
  Top(std::vector<pg::Target> targets, watch::RuleSet rules, live::Look look)
      : targets_(std::move(targets)), rules_(std::move(rules)), look_(look) {
    picture_.at = SystemClock().wall_now();
    for (const auto& target : targets_) {
      servers_.push_back(std::make_unique<Server>(io_, target));
      picture_.nodes.push_back({.node = target.node});
    }
  }

  // Two readings, an interval apart, and the verdicts.
  void read_twice() {
    std::size_t busy = servers_.size() + 1;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      spawn([](Top* self, std::size_t at, std::size_t* left) -> awaitable<void> {
        co_await self->read(at);
        co_await self->wait(self->servers_[at]->pause, self->look_.interval);
        co_await self->read(at);
        --*left;
      }(this, i, &busy));
    }
    spawn([](Top* self, std::size_t* left) -> awaitable<void> {
      co_await self->judge();
      --*left;
    }(this, &busy));
    while (busy > 0 && io_.run_one() > 0) {
    }
    end();
  }

  // Until a key or a signal ends it; the exit status.
  int run() {
    Terminal terminal;
    terminal_ = &terminal;
    keys_.emplace(io_, ::dup(STDIN_FILENO));
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP}) signals_.add(number);
    for (std::size_t i = 0; i < servers_.size(); ++i) spawn(watch(i));
    spawn(watch_verdicts());
    spawn(watch_keys());
    spawn(watch_signals());
    draw();
    io_.run();
    end();
    terminal_ = nullptr;
    return status_;
  }

  [[nodiscard]] const live::Picture& picture() const { return picture_; }
  [[nodiscard]] const live::Look& look() const { return look_; }

 private:
  struct Server {
    Server(asio::io_context& io, const pg::Target& target)
        : node(io.get_executor(), target, kLimits), pause(io) {}
    watch::Node node;
    asio::steady_timer pause;
  };

  void spawn(awaitable<void> work) { asio::co_spawn(io_, std::move(work), asio::detached); }

  static awaitable<void> wait(asio::steady_timer& timer, Duration time) {
    error_code ignored;
    timer.expires_after(time);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  awaitable<void> read(std::size_t at) {
    auto& server = *servers_[at];
    std::vector<const watch::Collector*> wanted{&watch::overview()};
    for (const auto* one : live::collectors_of(look_.view)) wanted.push_back(one);
    for (const auto* collector : wanted) {
      const auto database =
          collector->scope == watch::Scope::database ? server.node.own_database() : std::string();
      auto reading = co_await server.node.read(collector, database,
                                               std::chrono::steady_clock::now() + kLimits.slow);
      if (stopping_) co_return;
      auto& shown = picture_.nodes[at];
      const std::string name(collector->name);
      if (reading.error && !server.node.connected()) {
        shown.trouble = reading.error->message;
        co_return;
      }
      shown.trouble.clear();
      shown.gaps.erase(name);
      if (reading.error) shown.gaps[name] = reading.error->message;
      if (reading.gap) shown.gaps[name] = fmt::format("{} {}", reading.gap->why, reading.gap->mend);
      if (reading.sample) shown.take(std::move(*reading.sample));
      picture_.at = SystemClock().wall_now();
    }
  }

  awaitable<void> judge() {
    const auto readings =
        co_await watch::read_all(io_.get_executor(), targets_,
                                 {.deadline = std::chrono::steady_clock::now() + kVerdictsLimit});
    picture_.verdicts =
        watch::verdicts(watch::samples_of(targets_, readings, SystemClock().wall_now()), rules_);
  }

  awaitable<void> watch(std::size_t at) {
    while (!stopping_) {
      if (!look_.paused) {
        co_await read(at);
        draw();
      }
      if (!stopping_) co_await wait(servers_[at]->pause, look_.interval);
    }
  }

  awaitable<void> watch_verdicts() {
    while (!stopping_) {
      if (!look_.paused) {
        co_await judge();
        draw();
      }
      if (!stopping_) co_await wait(verdict_pause_, kVerdictsEvery);
    }
  }

  awaitable<void> watch_keys() {
    while (!stopping_) {
      char key = 0;
      error_code failed;
      co_await keys_->async_read_some(asio::buffer(&key, 1),
                                      asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return stop(status_);
      switch (live::press(look_, picture_, key)) {
        case live::Act::nothing:
          break;
        case live::Act::read:
          for (auto& server : servers_) server->pause.cancel();
          draw();
          break;
        case live::Act::redraw:
          draw();
          break;
        case live::Act::quit:
          co_return stop(kDone);
      }
    }
  }

  awaitable<void> watch_signals() {
    while (!stopping_) {
      error_code failed;
      const int number =
          co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return;
      if (number == SIGTSTP) {
        terminal_->leave();
        ::raise(SIGSTOP);
        terminal_->enter();
      } else if (number != SIGWINCH) {
        co_return stop(128 + number);
      }
      draw();
    }
  }

  void draw() {
    if (terminal_ == nullptr || stopping_) return;
    const auto size = Terminal::size();
    look_.width = size.width;
    look_.height = size.height;
    std::string out = "\x1b[H";
    bool first = true;
    for (const auto& line : live::frame(picture_, look_)) {
      if (!std::exchange(first, false)) out += "\r\n";
      out += line;
      out += "\x1b[K";
    }
    Terminal::write(out + "\x1b[J");
  }

  void stop(int status) {
    if (std::exchange(stopping_, true)) return;
    status_ = status;
    signals_.cancel();
    verdict_pause_.cancel();
    if (keys_) {
      error_code ignored;
      keys_->cancel(ignored);
    }
    for (auto& server : servers_) {
      server->pause.cancel();
      server->node.close("top has ended");
    }
    io_.stop();
  }

  void end() {
    stop(status_);
    io_.restart();
    io_.run_for(kFarewell);
  }

  asio::io_context io_{1};
  std::vector<pg::Target> targets_;
  watch::RuleSet rules_;
  live::Look look_;
  live::Picture picture_;
  std::vector<std::unique_ptr<Server>> servers_;
  asio::steady_timer verdict_pause_{io_};
  asio::signal_set signals_{io_};
  std::optional<asio::posix::stream_descriptor> keys_;
  Terminal* terminal_ = nullptr;
  bool stopping_ = false;
  int status_ = kDone;
};

int run_top(Context& context, const Arguments& arguments) {
  auto loaded = context.configuration();
  if (loaded.has_error()) return context.fail(loaded.error());
  const auto interval = parse_duration(arguments.interval, std::chrono::seconds(1));
  if (!interval || *interval < std::chrono::milliseconds(100) ||
      *interval > std::chrono::hours(1)) {
    return context.fail({.code = ErrorCode::kBadInput,
                         .message = fmt::format("--interval is '{}', and has to be 100ms to 1h",
                                                arguments.interval)});
  }
  if (arguments.limit < 0) {
    return context.fail(
        {.code = ErrorCode::kBadInput, .message = "--limit is a number of rows, or 0 for all"});
  }
  auto nodes = cluster::nodes_of(loaded->values.database);
  if (nodes.has_error()) return context.fail(nodes.error());
  auto rules = watch::load_rules(loaded->values.watch.rules_file);
  if (rules.has_error()) return context.fail(rules.error());
  live::Look look{.view = live::parse_view(arguments.view).value_or(live::View::sessions),
                  .interval = *interval,
                  .limit = static_cast<std::size_t>(arguments.limit)};
  if (!context.json && !arguments.once && Terminal::is_there()) {
    const auto no_colour = context.environment.find("NO_COLOR");
    look.colours = no_colour == context.environment.end() || no_colour->second.empty();
    return Top(std::move(*nodes), std::move(*rules), look).run();
  }
  look.keys = false;
  look.width = kPlainWidth;
  look.height = 0;
  Top once(std::move(*nodes), std::move(*rules), look);
  once.read_twice();
  if (context.json) {
    context.out << boost::json::serialize(live::document(once.picture(), look)) << std::endl;
  } else {
    for (const auto& line : live::frame(once.picture(), look)) context.out << line << '\n';
  }
  const auto& all = once.picture().nodes;
  const bool none =
      std::all_of(all.begin(), all.end(), [](const auto& node) { return !node.trouble.empty(); });
  return none ? kFailed : kDone;
}

}  // namespace

Command top() {
  return {.path = "top",
          .summary =
              "What the servers are at, live: sessions and who blocks whom, statements, tables, "
              "replication",
          .examples =
              "  lyceum top --database-url postgresql://localhost/lyceum\n"
              "  lyceum top --view statements --interval 5s\n"
              "  lyceum top --once --view tables --limit 20    one screen as plain text\n"
              "  lyceum top --json | jq .nodes",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(
                {"--interval", "Between two readings, 100ms to 1h", &arguments->interval});
            options.push_back({"--view",
                               "What is listed",
                               &arguments->view,
                               false,
                               {"sessions", "statements", "tables", "replication"}});
            options.push_back(
                {"--limit", "Rows of the list at most; 0: as many as fit", &arguments->limit});
            options.push_back({"--once", "Two readings, one screen as plain text, and no more",
                               &arguments->once});
            return [arguments](Context& context) { return run_top(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
