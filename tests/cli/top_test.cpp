// lyceum top: what its screen is made of, and the program itself in a terminal.

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utmp.h>

#include "cli/program.h"
#include "cli/screen_text.h"
#include "cli/top_frame.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "support/open_transaction.h"
#include "support/postgres.h"
#include "watch/live.h"
#include "watch/row_of.h"
#include "watch/value.h"

namespace lyceum::cli_test {
namespace {

using namespace std::chrono_literals;
using namespace cli::live;
using lyceum::testing::eventually;
using lyceum::testing::psql;
using lyceum::testing::TestDatabase;
using ::testing::HasSubstr;
using ::testing::Not;
using watch::RowOf;
using watch::Sample;

// ── texts ───────────────────────────────────────────────────────────────────────────────────────

TEST(ScreenText, NoTextOfAServerIsAnOrderToTheTerminal) {
  for (const std::string evil : {"\x1b]0;owned\x07", "\x1b[2J",
                                 "\x9b"
                                 "31m",
                                 "a\rb\nc\td", "\x7f",
                                 "\xe2\x80\xae"
                                 "txt",
                                 "\xff\xfe", "\xc2\x9b"}) {
    const auto text = cli::harmless("select '" + evil + "'");
    for (const char c : text) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x20U);
      EXPECT_NE(c, '\x7f');
    }
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae")));
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
  }
  EXPECT_EQ(cli::harmless("a  \n\t b"), "a b");
}

TEST(ScreenText, IsAsWideAsATerminalShowsIt) {
  EXPECT_EQ(cli::display_width("abc"), 3U);
  EXPECT_EQ(cli::display_width("日本"), 4U);
  EXPECT_EQ(cli::display_width("e\xcc\x81"), 1U);
  EXPECT_EQ(cli::fitted("abcdef", 4, false), "abc~");
  EXPECT_EQ(cli::fitted("ab", 4, true), "  ab");
  for (std::size_t width = 0; width < 12; ++width) {
    EXPECT_EQ(cli::display_width(cli::fitted("x日本語 text", width, false)), width);
  }
}

TEST(ScreenText, APasswordThatAStatementSetsIsNotShown) {
  const auto text = cli::without_passwords("alter role app PASSWORD 'hunter2' login");
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, HasSubstr("login"));
}

// ── lists and screens ───────────────────────────────────────────────────────────────────────────

Sample sample_of(const watch::Collector& collector, const std::string& node, int second) {
  return {.source = {.collector = std::string(collector.name), .node = node},
          .at = Timestamp(1'800'000'000s) + std::chrono::seconds(second),
          .epoch = 1};
}

void add_session(Sample& sample, std::int64_t pid, const std::string& state, double seconds,
                 const std::string& blocked_by, const std::string& query) {
  RowOf row(watch::activity());
  row.set("pid", pid)
      .set("state", state)
      .set("seconds", seconds)
      .set("backend_type", std::string("client backend"))
      .set("blocked_by", blocked_by)
      .set("query", query);
  sample.rows.push_back(row.take());
}

Sample overview_of(const std::string& node, int second, std::int64_t commits) {
  auto out = sample_of(watch::overview(), node, second);
  RowOf row(watch::overview());
  row.set("in_recovery", std::int64_t{0})
      .set("used", std::int64_t{5})
      .set("usable", std::int64_t{97})
      .set("commits", commits)
      .set("rollbacks", std::int64_t{0});
  out.rows.push_back(row.take());
  return out;
}

Picture three_sessions() {
  Picture out{.at = Timestamp(1'800'000'002s), .nodes = {{.node = "h1:5432/d"}}};
  out.nodes[0].take(overview_of("h1:5432/d", 0, 1000));
  out.nodes[0].take(overview_of("h1:5432/d", 2, 1200));
  auto sessions = sample_of(watch::activity(), "h1:5432/d", 2);
  add_session(sessions, 10, "active", 3, "", "select alone");
  add_session(sessions, 11, "active", 50, "12", "update that waits");
  add_session(sessions, 12, "idle in transaction", 90, "", "lock that is held");
  add_session(sessions, 13, "idle", 5, "", "nobody cares");
  out.nodes[0].take(sessions);
  return out;
}

TEST(TopLists, WhoBlocksStandsAboveWhoWaits) {
  const auto picture = three_sessions();
  const auto list = list_of(View::sessions, picture.nodes);
  ASSERT_EQ(list.rows.size(), 3U) << "the idle one blocks nobody";
  EXPECT_EQ(watch::text_of(list.rows[0].cells[0]), "12");
  EXPECT_EQ(watch::text_of(list.rows[1].cells[0]), "11");
  EXPECT_EQ(list.rows[1].depth, 1);
  EXPECT_EQ(watch::text_of(list.rows[2].cells[0]), "10");
}

TEST(TopLists, RatesAreBetweenTwoReadingsOfOneEpoch) {
  auto picture = three_sessions();
  const auto tps = [&] {
    const auto list = nodes_list(picture.nodes);
    for (std::size_t i = 0; i < list.columns.size(); ++i) {
      if (list.columns[i].key == "tps") return watch::number_of(list.rows[0].cells[i]);
    }
    return std::optional<double>();
  };
  EXPECT_EQ(tps(), 100);
  auto crashed = overview_of("h1:5432/d", 4, 5);
  crashed.epoch = 2;
  picture.nodes[0].take(crashed);
  EXPECT_EQ(tps(), std::nullopt);
}

TEST(TopFrame, FitsWhateverTheScreen) {
  auto picture = three_sessions();
  picture.nodes.push_back({.node = "h2:5432/d", .trouble = "cannot connect: \x1b[31mno"});
  picture.verdicts.emplace();
  for (const std::size_t width : {1U, 10U, 40U, 80U, 200U}) {
    for (const std::size_t height : {1U, 3U, 10U, 24U, 60U}) {
      for (const auto view : {View::sessions, View::statements, View::tables, View::replication}) {
        for (const bool help : {false, true}) {
          const auto lines =
              frame(picture, {.view = view, .help = help, .width = width, .height = height});
          EXPECT_LE(lines.size(), height);
          for (const auto& line : lines) {
            EXPECT_LE(cli::display_width(line), width) << line;
            EXPECT_EQ(line.find('\x1b'), std::string::npos);
          }
        }
      }
    }
  }
}

TEST(TopFrame, KeysChangeTheLook) {
  const auto picture = three_sessions();
  Look look;
  EXPECT_EQ(press(look, picture, '2'), Act::read);
  EXPECT_EQ(look.view, View::statements);
  EXPECT_EQ(press(look, picture, 'p'), Act::redraw);
  EXPECT_TRUE(look.paused);
  EXPECT_EQ(press(look, picture, 'h'), Act::redraw);
  EXPECT_TRUE(look.help);
  EXPECT_EQ(press(look, picture, 'x'), Act::redraw) << "any key ends the help";
  EXPECT_EQ(press(look, picture, 'x'), Act::nothing);
  const auto before = look.interval;
  EXPECT_EQ(press(look, picture, '+'), Act::redraw);
  EXPECT_GT(look.interval, before);
  EXPECT_EQ(press(look, picture, 'q'), Act::quit);
}

// ── the program ─────────────────────────────────────────────────────────────────────────────────

// The program in a terminal of its own; killed with the object if it still runs.
class InTerminal {
 public:
  explicit InTerminal(const std::vector<std::string>& arguments) {
    winsize size{.ws_row = 24, .ws_col = 120, .ws_xpixel = 0, .ws_ypixel = 0};
    int slave = -1;
    if (::openpty(&master_, &slave, nullptr, nullptr, &size) != 0) {
      throw std::runtime_error("no terminal");
    }
    ::tcgetattr(slave, &before_);
    const auto program = build_path("bin/lyceum");
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const auto& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(master_);
      ::login_tty(slave);
      ::setenv("TERM", "xterm", 1);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    slave_ = slave;  // stays open, so that its modes can be asked for afterwards
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~InTerminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(master_);
    ::close(slave_);
  }
  InTerminal(const InTerminal&) = delete;
  InTerminal& operator=(const InTerminal&) = delete;

  // Whether the screen comes to show that.
  bool shows(const std::string& text) {
    return eventually([&] {
      read();
      return seen_.find(text) != std::string::npos;
    });
  }
  void forget() { seen_.clear(); }
  void press(char key) { ASSERT_EQ(::write(master_, &key, 1), 1); }
  void signal(int number) const { ::kill(pid_, number); }
  // Its exit status, 128 + number where a signal ended it, -1 where it goes on.
  int wait() {
    int status = 0;
    const bool ended = eventually([&] {
      read();
      return ::waitpid(pid_, &status, WNOHANG) == pid_;
    });
    if (!ended) return -1;
    pid_ = -1;
    read();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] bool is_as_before() const {
    termios now{};
    ::tcgetattr(slave_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
           now.c_oflag == before_.c_oflag;
  }
  [[nodiscard]] const std::string& seen() const { return seen_; }

 private:
  void read() {
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(master_, buffer, sizeof buffer)) > 0;) {
      seen_.append(buffer, static_cast<std::size_t>(count));
    }
  }
  int master_ = -1, slave_ = -1;
  pid_t pid_ = -1;
  termios before_{};
  std::string seen_;
};

TEST(Top, ShowsASessionAndLeavesTheTerminalAsItWas) {
  const TestDatabase database;
  database.query("create table marked (id int)");
  lyceum::testing::OpenTransaction session(database.url(), "/* a marked one */ lock table marked");
  InTerminal top({"top", "--interval", "200ms", "--database-url", database.url()});
  EXPECT_TRUE(top.shows("a marked one")) << top.seen();
  EXPECT_FALSE(top.is_as_before()) << "keys come one by one";
  top.press('3');
  EXPECT_TRUE(top.shows("public.marked")) << top.seen();
  top.press('h');
  EXPECT_TRUE(top.shows("space        read now"));
  top.press('h');
  top.press('q');
  EXPECT_EQ(top.wait(), 0);
  EXPECT_TRUE(top.is_as_before());
  EXPECT_TRUE(top.seen().ends_with("\x1b[?25h\x1b[?1049l"));
}

TEST(Top, ASignalLeavesTheTerminalAsItWas) {
  const TestDatabase database;
  InTerminal top({"top", "--database-url", database.url()});
  EXPECT_TRUE(top.shows("primary"));
  top.signal(SIGTERM);
  EXPECT_EQ(top.wait(), 128 + SIGTERM);
  EXPECT_TRUE(top.is_as_before());
  EXPECT_TRUE(top.seen().ends_with("\x1b[?25h\x1b[?1049l"));
}

TEST(Top, AServerThatHangsIsSaidAndKeysGoOnWorking) {
  auto place = local::Ephemeral::make().value();
  auto cluster = place.up({.name = "hangs", .replicas = 0, .durable = false}).value();
  InTerminal top({"top", "--interval", "200ms", "--database-url", cluster.primary().url()});
  EXPECT_TRUE(top.shows("primary"));
  ASSERT_TRUE(cluster.primary().pause());
  EXPECT_TRUE(top.shows("down")) << top.seen();
  top.forget();
  top.press('h');
  EXPECT_TRUE(top.shows("space        read now"));
  ASSERT_TRUE(cluster.primary().resume());
  top.press('q');
  EXPECT_EQ(top.wait(), 0);
  EXPECT_TRUE(top.is_as_before());
}

TEST(Top, OnceIsOneScreenOfPlainText) {
  const TestDatabase database;
  const auto found =
      run_lyceum({"top", "--once", "--interval", "100ms", "--database-url", database.url()});
  EXPECT_EQ(found.exit_status, 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("lyceum top"));
  EXPECT_THAT(found.out, HasSubstr("primary"));
  EXPECT_EQ(found.out.find('\x1b'), std::string::npos);
}

TEST(Top, JsonHasTheSameFigures) {
  const TestDatabase database;
  // A session tells the server's statistics of its work once a second at most, and as it ends.
  std::jthread work([&](const std::stop_token& measured) {
    while (!measured.stop_requested()) (void)database.value("select 1");
  });
  const auto found = run_lyceum(
      {"top", "--json", "--interval", "1s", "--view", "tables", "--database-url", database.url()});
  work.request_stop();
  EXPECT_EQ(found.exit_status, 0) << found.err;
  const auto document = json_of(found);
  EXPECT_EQ(keys_of(document), (Keys{"at", "interval_seconds", "nodes", "totals", "verdicts",
                                     "view", "rows", "notes"}));
  const auto& node = document.at("nodes").at(0);
  EXPECT_EQ(node.at("role").as_string(), "primary");
  EXPECT_GT(node.at("tps").to_number<double>(), 0);
}

TEST(Top, NoServerAtAllIsAnError) {
  const auto found = run_lyceum(
      {"top", "--once", "--interval", "100ms", "--database-url", "postgresql://127.0.0.1:1/none"});
  EXPECT_EQ(found.exit_status, 1);
  EXPECT_THAT(found.out, HasSubstr("down"));
}

}  // namespace
}  // namespace lyceum::cli_test
