// The service beside the library: the same operations for the same learners, from as many callers
// and over as many connections to the database, once by HTTP and once by a call. And what a tenant
// feels of another that floods.

#include <boost/asio/buffers_iterator.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <fmt/format.h>
#include <random>
#include <thread>

#include "base/await.h"
#include "cli/bench_suite.h"
#include "learning/api_keys.h"
#include "learning/progress_summary.h"
#include "learning/stories.h"
#include "learning/vocabulary.h"
#include "pg/waiter.h"
#include "pool/pool.h"
#include "server/json_rows.h"
#include "server/json_struct.h"
#include "server/worker.h"

namespace lyceum::cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr int kThreads = 2;
constexpr int kCallers = 64;  // of both sides, all threads together
constexpr std::string_view kAsks[] = {"summary", "page", "words"};

struct Sample {
  Uuid tenant{};
  Uuid learner{};
  std::string authorization;
};

std::string path_of(const Sample& sample, std::size_t ask) {
  const auto learner = to_string(sample.learner);
  switch (ask % std::size(kAsks)) {
    case 0:
      return fmt::format("/v1/learners/{}/summary", learner);
    case 1:
      return fmt::format("/v1/stories?include=progress&learner={}", learner);
    default:
      return fmt::format("/v1/learners/{}/vocabulary/recommendations", learner);
  }
}

// The same question to the library; with the answer as the service would write it, where asked for.
awaitable<Result<std::string>> ask_library(pool::Pool& pool, const Sample& sample, std::size_t ask,
                                           bool write) {
  const learning::Scope scope{pool, sample.tenant};
  std::string out;
  switch (ask % std::size(kAsks)) {
    case 0: {
      const auto summary = co_await learning::progress_summary(scope, sample.learner);
      if (summary.has_error()) co_return summary.error();
      if (write) server::append_json(out, *summary);
      co_return out;
    }
    case 1: {
      const auto page = co_await learning::stories_page(scope, {.learner = sample.learner});
      if (page.has_error()) co_return page.error();
      if (write) {
        out = "{\"stories\":";
        server::append_json(out, page->stories);
        out += fmt::format(",\"has_more\":{},\"next_cursor\":", page->has_more);
        server::append_json(out, page->next_cursor);
        out += '}';
      }
      co_return out;
    }
    default: {
      const auto words =
          co_await learning::vocabulary_recommendations(scope, {.learner = sample.learner});
      if (words.has_error()) co_return words.error();
      if (write) {
        out = "{\"recommendations\":";
        server::append_json(out, *words);
        out += '}';
      }
      co_return out;
    }
  }
}

// A keep-alive connection that asks one question after the other: as little as an HTTP client can
// be, since it shares the processors with what it measures.
class Client {
 public:
  explicit Client(asio::any_io_executor executor) : socket_(executor) {}

  awaitable<void> connect(tcp::endpoint endpoint) {
    co_await socket_.async_connect(endpoint, asio::use_awaitable);
    socket_.set_option(tcp::no_delay(true));
  }

  struct Answer {
    int status = 0;
    std::string body;
  };
  awaitable<Answer> get(const std::string& path, const std::string& authorization) {
    const auto request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\r\n", path, authorization);
    co_await asio::async_write(socket_, asio::buffer(request), asio::use_awaitable);
    while (text_.find("\r\n\r\n") == std::string::npos) co_await read();
    const auto end = text_.find("\r\n\r\n") + 4;
    constexpr std::string_view kLength = "Content-Length: ";
    std::size_t length = 0;
    const auto at = text_.find(kLength) + kLength.size();
    std::from_chars(text_.data() + at, text_.data() + end, length);
    Answer answer;
    std::from_chars(text_.data() + 9, text_.data() + 12, answer.status);
    while (text_.size() < end + length) co_await read();
    answer.body = text_.substr(end, length);
    text_.erase(0, end + length);
    co_return answer;
  }

 private:
  awaitable<void> read() {
    constexpr std::size_t kAtOnce = 64 * 1024;
    const auto before = text_.size();
    text_.resize(before + kAtOnce);
    const auto count = co_await socket_.async_read_some(
        asio::buffer(text_.data() + before, kAtOnce), asio::use_awaitable);
    text_.resize(before + count);
  }

  tcp::socket socket_;
  std::string text_;
};

// The service, but for what belongs to a process: its workers, in threads of ours.
class Workers {
 public:
  static Result<std::unique_ptr<Workers>> start(const Stage& stage, int tenant_rate) {
    auto target = pg::parse_target(stage.application_url);
    if (target.has_error()) return target.error();
    std::unique_ptr<Workers> out(new Workers({std::move(*target)}, tenant_rate));
    server::Shared shared{.configuration = out->configuration_,
                          .nodes = out->nodes_,
                          .log = out->log_,
                          .clock = out->clock_,
                          .keys = nullptr,
                          .rates = out->rates_,
                          .bookmarks = out->bookmarks_,
                          .statistics = out->statistics_};
    auto address = out->configuration_.server.data_address;
    for (int i = 0; i < kThreads; ++i) {
      auto worker = server::Worker::make(shared, address, kThreads);
      if (worker.has_error()) return worker.error();
      (*worker)->start();
      address.port = (*worker)->endpoint().port();
      out->workers_.push_back(std::move(*worker));
    }
    return out;
  }
  ~Workers() {
    await([&](auto) -> awaitable<bool> {
      for (auto& worker : workers_) co_await worker->drain(Clock::now() + std::chrono::seconds(5));
      co_return true;
    });
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] tcp::endpoint endpoint() const { return workers_.front()->endpoint(); }

 private:
  Workers(std::vector<pg::Target> nodes, int tenant_rate)
      : nodes_(std::move(nodes)),
        rates_({.per_second = static_cast<double>(tenant_rate),
                .burst = static_cast<double>(ServerSettings{}.tenant_burst)}),
        bookmarks_(Secret()) {
    configuration_.server.data_address = {"127.0.0.1", 0};
    configuration_.server.access_log = false;
  }

  Configuration configuration_;
  std::vector<pg::Target> nodes_;
  SystemClock clock_;
  Log log_{LogLevel::error, LogFormat::text, clock_};
  server::RateLimiter rates_;
  server::Bookmarks bookmarks_;
  StatementStatistics statistics_;
  std::vector<std::unique_ptr<server::Worker>> workers_;
};

Result<std::vector<Sample>> make_samples(const Stage& stage) {
  auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  return await([&](auto executor) -> awaitable<Result<std::vector<Sample>>> {
    pool::Pool pool(executor, {.target = *target});
    std::vector<Sample> samples;
    std::optional<Error> failure;
    constexpr std::uint64_t kTenants = 10, kLearners = 20;
    const auto tenants = std::min(kTenants, stage.school.scale().tenants);
    for (std::uint64_t tenant = 0; tenant < tenants && !failure; ++tenant) {
      const auto id = stage.school.tenant(tenant).id;
      const auto key =
          co_await learning::create_api_key({pool, id}, {.name = "bench", .roles = {"service"}});
      if (key.has_error()) {
        failure = key.error();
        break;
      }
      const auto [first, last] = stage.school.learners_of(tenant);
      for (std::uint64_t i = 0; i < std::min(kLearners, last - first); ++i) {
        samples.push_back({.tenant = id,
                           .learner = stage.school.user(first + i).id,
                           .authorization = key->key.reveal()});
      }
    }
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    if (failure) co_return *failure;
    co_return samples;
  });
}

using Ask = std::function<awaitable<Result<void>>(std::size_t n)>;

// Runs `callers` coroutines, each of which asks over and over by what `make(caller)` gives it, for
// so long; calls per second.
template <class Make>
awaitable<Result<double>> hammer(asio::any_io_executor executor, int callers, double seconds,
                                 Make make) {
  std::uint64_t calls = 0;
  std::optional<Error> failure;
  int running = callers;
  pg::Waiter done;
  const auto begun = Clock::now();
  const auto end =
      begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  auto caller = [&](int number) -> awaitable<void> {
    try {
      Ask ask = co_await make(number);
      for (std::size_t n = 0; Clock::now() < end && !failure; ++n) {
        auto answered = co_await ask(n);
        if (answered.has_error()) failure = answered.error();
        ++calls;
      }
    } catch (const std::exception& exception) {
      failure = Error{.code = ErrorCode::kIo, .message = exception.what()};
    }
    if (--running == 0) done.notify();
  };
  for (int i = 0; i < callers; ++i) asio::co_spawn(executor, caller(i), asio::detached);
  co_await done.wait();
  if (failure) co_return *failure;
  co_return static_cast<double>(calls) /
      std::chrono::duration<double>(Clock::now() - begun).count();
}

const Sample& pick(const std::vector<Sample>& samples, int caller, std::size_t n) {
  return samples[(static_cast<std::size_t>(caller) * 37 + n * 11) % samples.size()];
}

Result<double> by_http(tcp::endpoint endpoint, const std::vector<Sample>& samples, double seconds) {
  return await([&](auto executor) -> awaitable<Result<double>> {
    const auto make = [&, executor](int number) -> awaitable<Ask> {
      auto client = std::make_shared<Client>(executor);
      co_await client->connect(endpoint);
      co_return [&samples, client, number](std::size_t n) -> awaitable<Result<void>> {
        const auto& sample = pick(samples, number, n);
        const auto answer = co_await client->get(path_of(sample, n), sample.authorization);
        if (answer.status == 200) co_return Result<void>{};
        co_return Error{.code = ErrorCode::kInternal,
                        .message = fmt::format("status {}: {}", answer.status, answer.body)};
      };
    };
    co_return co_await hammer(executor, kCallers, seconds, make);
  });
}

// As many threads and pools as the service has workers, the callers shared out among them.
Result<double> by_library(const pg::Target& target, const std::vector<Sample>& samples,
                          double seconds) {
  std::vector<Result<double>> sides(kThreads, 0.0);
  std::vector<std::thread> threads;
  for (auto& side : sides) {
    threads.emplace_back([&] {
      side = await([&](auto executor) -> awaitable<Result<double>> {
        pool::Pool pool(executor, {.target = learning::tuned(target),
                                   .limits = server::limits_of({}, kThreads)});
        const auto make = [&](int number) -> awaitable<Ask> {
          co_return [&pool, &samples, number](std::size_t n) -> awaitable<Result<void>> {
            const auto answer = co_await ask_library(pool, pick(samples, number, n), n, false);
            if (answer.has_error()) co_return answer.error();
            co_return Result<void>{};
          };
        };
        auto rate = co_await hammer(executor, kCallers / kThreads, seconds, make);
        (void)co_await pool.shutdown(std::chrono::seconds(5));
        co_return rate;
      });
    });
  }
  for (auto& thread : threads) thread.join();
  double sum = 0;
  for (const auto& side : sides) {
    if (side.has_error()) return side.error();
    sum += *side;
  }
  return sum;
}

// Where the two answer differently, what.
Result<std::optional<std::string>> compare(tcp::endpoint endpoint, const pg::Target& target,
                                           const std::vector<Sample>& samples) {
  return await([&](auto executor) -> awaitable<Result<std::optional<std::string>>> {
    pool::Pool pool(executor, {.target = learning::tuned(target)});
    Client client(executor);
    co_await client.connect(endpoint);
    std::optional<std::string> difference;
    std::optional<Error> failure;
    for (std::size_t n = 0; n < samples.size() && !difference && !failure; ++n) {
      const auto path = path_of(samples[n], n);
      const auto http = co_await client.get(path, samples[n].authorization);
      const auto library = co_await ask_library(pool, samples[n], n, true);
      if (library.has_error()) {
        failure = library.error();
      } else if (http.body != *library) {
        difference = fmt::format("{}: {} instead of {}", path, http.body, *library);
      }
    }
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    if (failure) co_return *failure;
    co_return difference;
  });
}

Result<void> compare_with_library(const Stage& stage, const std::vector<Sample>& samples,
                                  const BenchOptions& options, std::vector<BenchRow>& rows) {
  auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  auto workers = Workers::start(stage, 0);
  if (workers.has_error()) return workers.error();
  const auto endpoint = (*workers)->endpoint();
  BenchRow row{.id = "http.library",
               .what = "summary, page and words over HTTP, 64 callers; theirs: the library itself",
               .unit = "per s",
               .budget = 0.6};
  auto difference = compare(endpoint, *target, samples);
  if (difference.has_error()) return difference.error();
  row.mismatch = *difference;
  std::vector<BenchRound> rounds;
  for (int i = 0; i < options.rounds; ++i) {
    const auto ours = by_http(endpoint, samples, options.seconds);
    if (ours.has_error()) return ours.error();
    const auto theirs = by_library(*target, samples, options.seconds);
    if (theirs.has_error()) return theirs.error();
    rounds.push_back({*ours, *theirs});
  }
  summarize(rounds, false, row);
  rows.push_back(std::move(row));
  return {};
}

// p99 of one tenant's calls, one at a time, while `flooding` callers of another ask as fast as they
// are let.
Result<double> p99_beside(tcp::endpoint endpoint, const Sample& quiet, const Sample& loud,
                          int flooding, double seconds) {
  return await([&](auto executor) -> awaitable<Result<double>> {
    std::vector<double> times;
    std::optional<Error> failure;
    bool over = false;
    int running = flooding;
    pg::Waiter done;
    auto flood = [&](int) -> awaitable<void> {
      Client client(executor);
      co_await client.connect(endpoint);
      std::size_t n = 0;
      while (!over) (void)co_await client.get(path_of(loud, n++), loud.authorization);
      if (--running == 0) done.notify();
    };
    for (int i = 0; i < flooding; ++i) asio::co_spawn(executor, flood(i), asio::detached);
    Client client(executor);
    co_await client.connect(endpoint);
    asio::steady_timer pause(executor);
    const auto begun = Clock::now();
    const auto end =
        begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (std::size_t n = 0; Clock::now() < end && !failure; ++n) {
      const auto sent = Clock::now();
      const auto answer = co_await client.get(path_of(quiet, n), quiet.authorization);
      if (answer.status != 200) {
        failure = Error{.code = ErrorCode::kInternal, .message = answer.body};
      }
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
      pause.expires_after(std::chrono::milliseconds(3));
      co_await pause.async_wait(asio::use_awaitable);
    }
    over = true;
    if (flooding > 0) co_await done.wait();
    if (failure) co_return *failure;
    std::ranges::sort(times);
    co_return times[times.size() * 99 / 100];
  });
}

Result<void> measure_fairness(const Stage& stage, const std::vector<Sample>& samples,
                              const BenchOptions& options, std::vector<BenchRow>& rows) {
  constexpr double kAllowed = 1.5;
  BenchRow row{.id = "http.fairness",
               .what =
                   "p99 of a tenant beside one that floods with 64 callers, default limits; "
                   "theirs: one and a half times its p99 alone",
               .unit = "ms",
               .budget = 1};
  std::vector<BenchRound> rounds;
  for (int i = 0; i < options.rounds; ++i) {
    auto workers = Workers::start(stage, ServerSettings{}.tenant_rate);
    if (workers.has_error()) return workers.error();
    const auto endpoint = (*workers)->endpoint();
    const auto& quiet = samples.front();
    const auto& loud = samples.back();
    // Below its rate, so that it is never refused; long enough for a hundredth to be a few calls.
    const auto alone = p99_beside(endpoint, quiet, loud, 0, 2 * options.seconds);
    if (alone.has_error()) return alone.error();
    const auto beside = p99_beside(endpoint, quiet, loud, kCallers, 2 * options.seconds);
    if (beside.has_error()) return beside.error();
    rounds.push_back({*beside, kAllowed * *alone});
  }
  summarize(rounds, true, row);
  rows.push_back(std::move(row));
  return {};
}

}  // namespace

Result<void> bench_http(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                        std::vector<BenchRow>& rows) {
  if (!options.wants("http.library") && !options.wants("http.fairness")) return {};
  const auto samples = make_samples(stage);
  if (samples.has_error()) return samples.error();
  if (options.wants("http.library")) {
    progress.update("comparing http.library");
    auto done = compare_with_library(stage, *samples, options, rows);
    if (done.has_error()) return done.error();
  }
  if (options.wants("http.fairness")) {
    progress.update("comparing http.fairness");
    auto done = measure_fairness(stage, *samples, options, rows);
    if (done.has_error()) return done.error();
  }
  return {};
}

}  // namespace lyceum::cli
