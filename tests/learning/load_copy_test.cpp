#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "learning/load_run.h"
#include "load_files.h"
#include "local/ephemeral.h"
#include "support/gate.h"
#include "support/paths.h"
#include "support/postgres.h"
#include "support/process.h"

namespace lyceum::learning::load {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using lyceum::testing::Gate;
using lyceum::testing::psql;
using lyceum::testing::shared_server;
using lyceum::testing::TestDatabase;
using ::testing::HasSubstr;

constexpr Timestamp kAsOf = std::chrono::sys_days(std::chrono::year(2026) / 3 / 29) + 11h + 7min;

template <class T>
T wait_for(asio::io_context& context, asio::awaitable<T> work) {
  std::optional<T> out;
  asio::co_spawn(context, std::move(work), [&out](std::exception_ptr failure, T result) {
    if (failure) std::rethrow_exception(failure);
    out = std::move(result);
  });
  // The connection listens on, so that the context never runs out of work.
  context.restart();
  while (!out) context.run_one();
  return std::move(*out);
}

// A migrated database, and one connection to it.
struct Loading {
  TestDatabase database;
  asio::io_context context;
  std::shared_ptr<pg::Connection> connection;

  explicit Loading(local::Server& server = shared_server()) : database(server) {
    connect(database.url());
    migrate();
  }

  void connect(const std::string& url) {
    connection =
        wait_for(context, pg::Connection::connect(context.get_executor(),
                                                  {.target = pg::parse_target(url).value()}))
            .value();
  }
  void migrate() {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(source_path("sql/migrations"))) {
      std::ifstream stream(entry.path());
      files[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(stream), {});
    }
    for (const auto& [name, text] : files) {
      SCOPED_TRACE(name);
      EXPECT_TRUE(wait_for(context, connection->script(text)));
    }
  }
  ~Loading() {
    if (connection) connection->close();
    context.restart();
    context.poll();
  }

  Result<LoadReport> run(const School& school, bool replace = false,
                         const ReportProgress& report = {}) {
    return wait_for(context, load::run(connection, school, replace, report));
  }
  [[nodiscard]] long count(const std::string& table) const {
    return std::stol(database.value("SELECT count(*) FROM " + table));
  }
};

School school(std::uint64_t seed = 1, double factor = 0.01) {
  std::vector<Word> words;
  for (int i = 0; i < 400; ++i) {
    words.push_back({.word = fmt::format("wörd {}", i),
                     .part_of_speech = "noun",
                     .definition = "tabs\tand \"quotes\", back\\slashes\nand lines 😀",
                     .level = level_of(i / 100.0),
                     .difficulty = i / 100.0,
                     .frequency = 1.0 / (i + 1)});
  }
  auto scale = Scale::demo(factor);
  scale.tenants = 5;
  return School::make(seed, scale, read_stories(source_path("data/stories.jsonl")).value(),
                      std::move(words), kAsOf)
      .value();
}

// A digest of every table's rows, in the columns that we fill in.
std::string everything(const std::string& url) {
  std::string sql;
  for (const auto& source : sources_of(school())) {
    sql += fmt::format(
        "SELECT '{0}', count(*), md5(string_agg(r::text, '|' ORDER BY r::text)) "
        "FROM (SELECT {1} FROM {0}) r;",
        source->table(), source->columns());
  }
  std::string out;
  for (const auto& row : psql(url, sql)) out += fmt::format("{}\n", fmt::join(row, " "));
  return out;
}

TEST(LoadCopy, StoresTheRowsThatPsqlStores) {
  const auto rows = school();
  Loading ours;
  const auto report = ours.run(rows).value();
  EXPECT_EQ(report.rows, rows.scale().rows() + rows.scale().vocabulary);
  EXPECT_EQ(report.tables.size(), 10U);
  for (const auto& table : report.tables) {
    EXPECT_EQ(static_cast<std::uint64_t>(ours.count(table.table)), table.rows) << table.table;
  }

  Loading theirs;
  Files files;
  EXPECT_EQ(write_copy_files(rows, files.directory()).value(), report.rows);
  const auto done = lyceum::testing::run_process(
      {"psql", "-X", "-q", "-d", theirs.database.url(), "-f", "load.sql"},
      {.directory = files.directory()});
  ASSERT_EQ(done.exit_status, 0) << done.err;
  const auto stored = everything(ours.database.url());
  EXPECT_EQ(stored, everything(theirs.database.url()));
}

TEST(LoadCopy, TellsHowFarItIs) {
  Loading loading;
  std::map<std::string, std::uint64_t> last;
  std::vector<std::string> finished;
  ASSERT_TRUE(loading.run(school(), false, [&](const Progress& progress) {
    auto& rows = last[std::string(progress.table)];
    EXPECT_GE(progress.rows, rows);
    EXPECT_LE(progress.rows, progress.total);
    rows = progress.rows;
    if (!progress.finished) return;
    EXPECT_EQ(progress.rows, progress.total);
    EXPECT_GT(progress.rows_per_second, 0);
    finished.emplace_back(progress.table);
  }));
  EXPECT_THAT(finished,
              ::testing::ElementsAre("tenants", "vocabulary", "users", "stories", "progress",
                                     "user_vocabulary_progress", "exercises", "learning_sessions",
                                     "exercise_attempts", "user_events"));
  std::vector<std::string> vacuumed;
  ASSERT_TRUE(
      wait_for(loading.context, finish_load(loading.connection, [&](const Progress& progress) {
                 if (progress.finished && progress.rows > 0) vacuumed.emplace_back(progress.table);
               })));
  EXPECT_EQ(vacuumed.size(), 10U);
  EXPECT_EQ(loading.database.value("SELECT count(*) FROM pg_stat_user_tables WHERE relname IN "
                                   "('users', 'progress') AND last_vacuum IS NOT NULL AND "
                                   "last_analyze IS NOT NULL"),
            "2");
  EXPECT_EQ(
      loading.database.value(
          "SELECT count(*) FROM pg_class WHERE relname = 'progress' AND relallvisible = relpages"),
      "1");
}

TEST(LoadCopy, RefusesADatabaseThatHoldsRows) {
  Loading loading;
  ASSERT_TRUE(loading.run(school(1)));
  const auto before = everything(loading.database.url());
  const auto again = loading.run(school(2));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_THAT(again.error().message, HasSubstr("already holds rows"));
  EXPECT_EQ(everything(loading.database.url()), before);
  ASSERT_TRUE(loading.run(school(2), true));
  EXPECT_NE(everything(loading.database.url()), before);
  ASSERT_TRUE(loading.run(school(1), true));
  EXPECT_EQ(everything(loading.database.url()), before);
}

TEST(LoadCopy, AMemberOfTheOwnerLoadsUnderForcedRowLevelSecurity) {
  Loading loading;
  const auto role = "loader_" + loading.database.name();
  loading.database.query(
      fmt::format("CREATE ROLE \"{}\" LOGIN PASSWORD 'x' IN ROLE lyceum_owner", role));
  loading.database.query(fmt::format("CREATE ROLE \"{}_app\" LOGIN IN ROLE lyceum_app", role));
  loading.connection->close();
  loading.connect(loading.database.url());
  ASSERT_TRUE(wait_for(loading.context, loading.connection->script(fmt::format(
                                            "SET SESSION AUTHORIZATION \"{}_app\"", role))));
  const auto refused = loading.run(school());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "42501") << refused.error().to_string();
  EXPECT_THAT(refused.error().to_string(), HasSubstr("member of lyceum_owner"));
  ASSERT_TRUE(wait_for(loading.context, loading.connection->script("RESET SESSION AUTHORIZATION")));

  const auto* const kForced =
      "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relforcerowsecurity "
      "AND "
      "relrowsecurity";
  const auto forced = loading.database.value(kForced);
  EXPECT_THAT(forced, HasSubstr("learning_sessions"));
  ASSERT_TRUE(wait_for(loading.context, loading.connection->script(fmt::format(
                                            "SET SESSION AUTHORIZATION \"{}\"", role))));
  const auto done = loading.run(school());
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_TRUE(wait_for(loading.context, finish_load(loading.connection, {})));
  EXPECT_EQ(loading.database.value(kForced), forced);
  loading.connection->close();
  loading.database.query(fmt::format("DROP ROLE \"{0}\"; DROP ROLE \"{0}_app\"", role));
}

TEST(LoadCopy, ForeignKeysHoldAfterwardsAsBefore) {
  Loading loading;
  const std::string constraints =
      "SELECT string_agg(conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) "
      "|| "
      "convalidated, ';' ORDER BY conrelid::regclass::text, conname) FROM pg_constraint "
      "WHERE connamespace = 'public'::regnamespace";
  const auto before = loading.database.value(constraints);
  EXPECT_THAT(before, HasSubstr("FOREIGN KEY"));
  const auto rows = school();
  for (const auto keys : {ForeignKeys::at_end, ForeignKeys::each_row}) {
    for (const auto& source : sources_of(rows)) {
      // Without the tenants, which everything refers to in the end.
      if (source->total() == 0 || source->table() == "tenants" || source->table() == "vocabulary") {
        continue;
      }
      const auto done =
          wait_for(loading.context, copy_table(loading.connection, *source, {}, keys));
      ASSERT_FALSE(done) << source->table();
      EXPECT_EQ(done.error().sqlstate, "23503") << done.error().to_string();
      EXPECT_EQ(loading.count(std::string(source->table())), 0);
    }
  }
  EXPECT_EQ(loading.database.value(constraints), before);
  ASSERT_TRUE(loading.run(rows));
  EXPECT_EQ(loading.database.value(constraints), before);
}

TEST(LoadCopy, WithoutTablesItSaysWhatToDo) {
  Loading loading;
  loading.database.query("DROP TABLE user_events");
  const auto done = loading.run(school());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().sqlstate, "42P01");
  EXPECT_THAT(done.error().to_string(), HasSubstr("lyceum migrate"));
  EXPECT_EQ(loading.count("tenants"), 0);
}

// A table that refuses what is sent: its rows do not stay, and the connection can go on.
TEST(LoadCopy, NothingOfATableStaysThatFails) {
  struct Case {
    std::string change;
    std::string sqlstate;
  };
  for (const auto& c : {
           Case{"ALTER TABLE progress ADD CHECK (time_spent < 500)", "23514"},
           Case{"ALTER TABLE progress ALTER time_spent TYPE integer", "22P03"},
           Case{"ALTER TABLE progress DROP COLUMN time_spent", "42703"},
           Case{"CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
                "new.completion_percentage = 77 THEN RAISE 'no space' USING ERRCODE = 'disk_full'; "
                "END IF; RETURN new; END $$; "
                "CREATE TRIGGER fill_disk BEFORE INSERT ON progress FOR EACH ROW EXECUTE FUNCTION "
                "fill_disk()",
                "53100"},
       }) {
    SCOPED_TRACE(c.change);
    Loading loading;
    loading.database.query(c.change);
    const auto done = loading.run(school());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sqlstate, c.sqlstate) << done.error().to_string();
    EXPECT_THAT(done.error().message, HasSubstr("loading progress failed after "));
    EXPECT_FALSE(done.error().may_have_taken_effect);
    EXPECT_EQ(loading.count("progress"), 0);
    EXPECT_EQ(loading.count("user_vocabulary_progress"), 0);
    EXPECT_FALSE(loading.connection->closed());
    EXPECT_TRUE(wait_for(loading.context, loading.connection->script("SELECT 1")));
    EXPECT_FALSE(loading.connection->transaction_open());
  }
}

// Does something to the world after so many rows.
class Interrupted final : public RowSource {
 public:
  Interrupted(RowSource& source, std::uint64_t after, std::function<void()> happen)
      : source_(source), left_(after), happen_(std::move(happen)) {}
  [[nodiscard]] std::string_view table() const override { return source_.table(); }
  [[nodiscard]] std::string columns() const override { return source_.columns(); }
  [[nodiscard]] std::uint64_t total() const override { return source_.total(); }
  bool append(pg::CopyBuffer& out) override {
    if (left_-- == 0) happen_();
    return source_.append(out);
  }
  bool append(std::string& out) override { return source_.append(out); }

 private:
  RowSource& source_;
  std::uint64_t left_;
  std::function<void()> happen_;
};

// A server whose disk fills up: the system calls of this one say so (tests/support/full_disk.c).
TEST(LoadCopy, AFullDiskLeavesNothingOfItsTableAndLoadingGoesOnWhenThereIsRoom) {
  const lyceum::testing::TemporaryDirectory directory;
  // The server may run as another user, who has to read both.
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  const auto flag = directory.path() / "full";
  const auto shim = directory.path() / "full_disk.so";
  std::filesystem::copy_file(build_path("tests/libfull_disk.so"), shim);
  std::filesystem::permissions(shim, std::filesystem::perms(0755));
  auto place = local::Ephemeral::make().value();
  ::setenv("LD_PRELOAD", shim.c_str(), 1);
  ::setenv("LYCEUM_TEST_FULL_DISK", flag.c_str(), 1);
  auto cluster = place.up();
  ::unsetenv("LD_PRELOAD");
  ::unsetenv("LYCEUM_TEST_FULL_DISK");
  ASSERT_TRUE(cluster) << cluster.error().to_string();

  Loading loading(cluster->primary());
  const auto rows = school();
  const auto sources = sources_of(rows);
  for (const auto& source : sources) {
    if (source->table() != "progress") {
      ASSERT_TRUE(wait_for(loading.context, copy_table(loading.connection, *source, {})));
      continue;
    }
    Interrupted filling(*source, 1000, [&] { std::ofstream(flag) << "full"; });
    const auto done = wait_for(loading.context, copy_table(loading.connection, filling, {}));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sqlstate, "53100") << done.error().to_string();
    EXPECT_THAT(done.error().message, HasSubstr("loading progress failed after "));
    EXPECT_FALSE(done.error().may_have_taken_effect);
    EXPECT_EQ(loading.count("progress"), 0);
    EXPECT_FALSE(loading.connection->closed());
    std::filesystem::remove(flag);
    // The rows begin anew with another source of the same school.
    const auto again = sources_of(rows);
    const auto progress =
        std::ranges::find(again, "progress", [](const auto& one) { return one->table(); });
    ASSERT_TRUE(wait_for(loading.context, copy_table(loading.connection, **progress, {})));
    EXPECT_EQ(static_cast<std::uint64_t>(loading.count("progress")), (*progress)->total());
  }
}

TEST(LoadCopy, AKilledBackendLeavesNothingOfItsTable) {
  Loading loading;
  const auto rows = school();
  const auto pid = loading.connection->server_process();
  const auto sources = sources_of(rows);
  for (const auto& source : sources) {
    if (source->table() == "progress") break;
    ASSERT_TRUE(wait_for(loading.context, copy_table(loading.connection, *source, {})));
  }
  const auto progress = std::find_if(sources.begin(), sources.end(), [](const auto& source) {
    return source->table() == "progress";
  });
  Interrupted source(**progress, 3000, [&] {
    loading.database.query(fmt::format("SELECT pg_terminate_backend({})", pid));
    ASSERT_TRUE(lyceum::testing::eventually([&] {
      return loading.database.value(
                 fmt::format("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", pid)) == "0";
    }));
  });
  const auto done = wait_for(loading.context, copy_table(loading.connection, source, {}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConnectionLost) << done.error().to_string();
  EXPECT_THAT(done.error().message, HasSubstr("loading progress failed after "));
  EXPECT_FALSE(done.error().may_have_taken_effect);
  EXPECT_TRUE(loading.connection->closed());
  EXPECT_EQ(loading.count("progress"), 0);
  EXPECT_GT(loading.count("stories"), 0);
}

TEST(LoadCopy, ACutNetworkLeavesNothingOfItsTable) {
  Loading loading;
  loading.connection->close();
  Gate gate(shared_server());
  loading.connect(gate.url(loading.database.name()));
  gate.cut_after(Gate::Direction::kToServer, 1'500'000);
  const auto done = loading.run(school(1, 0.05));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kConnectionLost) << done.error().to_string();
  EXPECT_THAT(done.error().message, HasSubstr("failed after "));
  EXPECT_TRUE(loading.connection->closed());
  // The table that was under way is the first that is empty, and all after it are.
  bool cut = false;
  for (const auto& source : sources_of(school())) {
    const bool empty = loading.count(std::string(source->table())) == 0;
    EXPECT_TRUE(!cut || empty) << source->table();
    cut = cut || empty;
  }
  EXPECT_TRUE(cut);
}

TEST(LoadCopy, AMalformedFileLeavesTheDatabaseAsItWas) {
  Loading loading;
  Files files;
  LoadOptions options;
  options.stories_file = source_path("data/stories.jsonl");
  options.vocabulary_file =
      files.write("v.csv",
                  "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n"
                  "cat,noun,A1,0.5,50,a small animal\ndog,noun,A1,x,50,a larger one\n");
  options.scale = {.tenants = 2,
                   .learners = 4,
                   .stories = 4,
                   .progress = 4,
                   .vocabulary_progress = 4,
                   .sessions = 9,
                   .events = 9,
                   .exercises = 4,
                   .attempts = 4};
  options.as_of = kAsOf;
  const auto done = wait_for(loading.context, load::run(loading.connection, options, {}));
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("v.csv:3: \"difficulty_level\" is \"x\""));
  for (const auto& source : sources_of(school())) {
    EXPECT_EQ(loading.count(std::string(source->table())), 0);
  }
  options.vocabulary_file =
      files.write("v.csv",
                  "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n"
                  "cat,noun,A1,0.5,50,a small animal\ndog,noun,A1,0.5,50,a larger one\n");
  const auto good = wait_for(loading.context, load::run(loading.connection, options, {}));
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_EQ(good->words_read, 2U);
  EXPECT_EQ(loading.count("vocabulary"), 2);
  EXPECT_EQ(loading.count("learning_sessions"), 9);
}

}  // namespace
}  // namespace lyceum::learning::load
