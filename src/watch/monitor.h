#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/config.h"
#include "base/log.h"
#include "pg/target.h"
#include "watch/alerts.h"
#include "watch/delivery.h"
#include "watch/evaluate.h"
#include "watch/gather.h"
#include "watch/history.h"
#include "watch/outbox.h"
#include "watch/plan.h"
#include "watch/statement_names.h"

namespace lyceum::watch {

struct MonitorOptions {
  std::vector<pg::Target> nodes;
  WatchSettings settings;
  std::filesystem::path file;  // of the history
  // What this process knows of itself: samples of collectors of scope client, without epochs. It is
  // awaited on the monitor's executor, as often as the fast collectors run.
  std::function<boost::asio::awaitable<std::vector<Sample>>()> own = {};
};

// The monitor of a cluster: reads all collectors on all nodes, each when it is due, keeps what they
// read, holds the rules against it and tells the receivers. It has a thread of its own, so that
// nothing it does (reading thousands of rows, writing a slow disk) holds up whoever serves
// requests.
class Monitor {
 public:
  // Errors: kConfiguration for rules or receivers; as Store::open.
  [[nodiscard]] static Result<std::unique_ptr<Monitor>> open(MonitorOptions options, Log& log,
                                                             const Clock& clock);
  ~Monitor();  // stops
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  void start();
  // Ends the collection; the thread comes to rest soon after, when what it is at has ended: at most
  // the time limit of a message to a receiver. Any thread.
  void begin_stop();
  // The same, and waits for it. What was read is kept.
  void stop();

  // The plan of a statement that pg_stat_statements has, on a node; an empty node is the one where
  // it is found. From any executor; not after begin_stop().
  [[nodiscard]] boost::asio::awaitable<Plan> plan(std::string queryid, std::string database,
                                                  std::string node);

  // Adds a silence, and gives its number; ends one, and says whether there was one. Either is on
  // disk when it is answered, and a restart keeps it. From any executor, as ask().
  // Error (kIo): it could not be stored, and nothing is changed.
  [[nodiscard]] boost::asio::awaitable<Result<std::uint64_t>> silence(Silence silence);
  [[nodiscard]] boost::asio::awaitable<Result<bool>> end_silence(std::uint64_t id);

  // What those who ask may touch, on the monitor's thread.
  struct Inside {
    History& history;
    Gather& gather;
    const RuleSet& rules;
    AlertBook& alerts;
    const Delivery& delivery;
    // The newest sample of each source, as the rules look at them.
    [[nodiscard]] std::vector<Sample> present() const;
  };
  // Asks on the monitor's thread, from any executor, whose context outlives the monitor; not after
  // begin_stop(). `question` is called there with Inside& and its value comes back here.
  template <class Question>
  auto ask(Question question) -> boost::asio::awaitable<std::invoke_result_t<Question, Inside&>> {
    using Answer = std::invoke_result_t<Question, Inside&>;
    co_return co_await boost::asio::co_spawn(
        io_,
        [](Monitor* self, Question asked) -> boost::asio::awaitable<Answer> {
          co_return asked(self->inside_);
        }(this, std::move(question)),
        boost::asio::use_awaitable);
  }

 private:
  struct Parts {
    Store store;
    std::unique_ptr<Outbox> outbox;
    std::shared_ptr<const RuleSet> rules;
    std::vector<Receiver> receivers;
  };
  Monitor(MonitorOptions options, Parts parts, Log& log, const Clock& clock);
  boost::asio::awaitable<Plan> find_plan(std::string queryid, std::string database,
                                         std::string node);
  void take(const Reading& reading);
  void complain(const Reading& reading);
  void keep(const Sample& sample);
  void judge(const Sample& sample);
  void tell();
  [[nodiscard]] Result<void> store_alerts();
  void watch_clock();
  boost::asio::awaitable<void> begin();
  boost::asio::awaitable<void> remember();
  boost::asio::awaitable<void> watch_own();
  boost::asio::awaitable<void> watch_alerts();
  [[nodiscard]] Moment now() const { return {clock_.now(), clock_.wall_now()}; }
  [[nodiscard]] std::vector<Sample> costs() const;
  [[nodiscard]] StatementNames names() const;

  MonitorOptions options_;
  Log& log_;
  const Clock& clock_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  Store store_;
  History history_;
  Gather gather_;
  std::shared_ptr<const RuleSet> rules_;
  Evaluator evaluator_;
  AlertBook book_;
  std::unique_ptr<Outbox> outbox_;
  Delivery delivery_;
  std::vector<Notice> untold_;  // could not be stored yet
  bool changed_ = false;        // alerts, since they were saved
  bool complained_of_outbox_ = false;
  Inside inside_{history_, gather_, *rules_, book_, delivery_};
  std::map<Source, std::string> complaints_;        // what was last said of a source
  std::map<std::string, std::string> unreachable_;  // by node: why there is no connection
  bool complained_of_history_ = false;
  std::int64_t own_epoch_ = 0;
  boost::asio::steady_timer own_timer_{io_};
  boost::asio::steady_timer alert_timer_{io_};
  bool stopping_ = false;
  std::optional<std::chrono::microseconds> ahead_;  // of the steady clock is the wall clock
  std::thread thread_;
};

}  // namespace lyceum::watch
