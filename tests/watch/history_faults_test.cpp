// What can go wrong with the history's file, and that the monitor goes on.

#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch/history_run.h"
#include "watch/no_room.h"

namespace lyceum::watch {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class HistoryFaults : public HistoryTest {
 protected:
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(room_.path())) {
      out.push_back(entry.path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  void expect_sound() {
    auto check = store_->database().prepare("PRAGMA integrity_check");
    ASSERT_TRUE(check);
    ASSERT_TRUE(check->step().value());
    EXPECT_EQ(check->text(0), "ok");
  }

  // A file that has samples, closed.
  void fill(int samples) {
    auto& history = open({.film_samples = 20});
    for (int i = 0; i < samples; ++i) ASSERT_TRUE(history.append(wal(i * 10, i)));
    close();
  }

  void overwrite(std::streamoff from, std::size_t size, const std::string& with = "damage ") const {
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(from);
    for (std::size_t i = 0; i < size; ++i) file.put(with[i % with.size()]);
  }
};

// ---- Killed
// ---------------------------------------------------------------------------------------

// The child keeps samples and says so through a pipe, until it is killed in the middle of it.
TEST_F(HistoryFaults, WhatWasAcknowledgedIsThereAfterAKill) {
  std::int64_t acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const std::int64_t from = acknowledged;
    const pid_t child = ::fork();
    if (child == 0) {
      // Small films and a small file, so that it is killed in all that is done now and then.
      auto store = Store::open(path(), clock_, {.max_bytes = 16U << 20U});
      if (!store) ::_exit(1);
      History history(*store, {.film_samples = 5});
      for (std::int64_t i = from;; ++i) {
        if (!history.append(wal(static_cast<double>(i), i))) ::_exit(2);
        if (::write(pipe[1], &i, sizeof i) != sizeof i) ::_exit(3);
      }
    }
    ::close(pipe[1]);
    std::int64_t last = -1;
    for (int i = 0; i < 40 + 37 * round; ++i) {
      ASSERT_EQ(::read(pipe[0], &last, sizeof last), ssize_t{sizeof last});
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    while (::read(pipe[0], &last, sizeof last) == ssize_t{sizeof last}) {
    }
    ::close(pipe[0]);

    auto& history = open();
    const auto found = records(all(history));
    // One may have been kept whose acknowledgement was cut off.
    ASSERT_GE(found.size(), static_cast<std::size_t>(last + 1));
    ASSERT_LE(found.size(), static_cast<std::size_t>(last + 2));
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i], static_cast<std::int64_t>(i));
    }
    expect_sound();
    acknowledged = static_cast<std::int64_t>(found.size());
    // What SQLite knows of its open files is not for a child to have.
    close();
  }
}

// ---- No room
// --------------------------------------------------------------------------------------

Sample large(double second) {
  std::mt19937 random(static_cast<std::uint32_t>(second));
  Sample sample{.source = {"sessions", "one", ""}, .at = at_second(second), .epoch = 1};
  for (int i = 0; i < 300; ++i) {
    std::string state(200, ' ');
    for (auto& c : state) c = static_cast<char>('a' + random() % 26);
    sample.rows.push_back(row_of("sessions", {{"state", state}}));
  }
  return sample;
}

TEST_F(HistoryFaults, AFullFileLosesTheSampleSaysSoAndGoesOnWhenThereIsRoom) {
  auto& history = open();
  ASSERT_TRUE(history.append(large(0)));
  ASSERT_TRUE(history.append(wal(0, 1)));
  const auto pages = store_->database().number("PRAGMA page_count").value();
  ASSERT_TRUE(store_->database().run("PRAGMA max_page_count = " + std::to_string(pages)));
  const auto full = history.append(large(10));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kIo);
  EXPECT_THAT(full.error().message, HasSubstr(path().string()));
  EXPECT_THAT(full.error().message, HasSubstr("full"));
  EXPECT_THAT(full.error().hint, HasSubstr("make room"));
  EXPECT_EQ(history.counts().lost, 1U);
  ASSERT_TRUE(store_->database().run("PRAGMA max_page_count = 100000"));
  ASSERT_TRUE(history.append(large(20)));
  ASSERT_TRUE(history.append(wal(20, 2)));
  const auto kept = all(history);
  ASSERT_THAT(kept, SizeIs(4));
  EXPECT_EQ(kept[2].picture.rows.size(), 300U);
  EXPECT_EQ(kept[2].picture.rows, large(20).rows);
  EXPECT_FALSE(store_->moved_aside());
}

TEST_F(HistoryFaults, ADiskThatTakesNothingLosesTheSampleAndNothingElse) {
  auto& history = open();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(history.append(wal(i, i)));
  std::vector<std::string> said;
  {
    const NoRoom no_room;
    for (int i = 20; i < 25; ++i) {
      const auto refused = history.append(wal(i, i));
      said.push_back(refused ? "" : refused.error().message);
    }
  }
  for (const auto& message : said) EXPECT_THAT(message, HasSubstr(path().string()));
  EXPECT_EQ(history.counts().lost, 5U);
  for (int i = 25; i < 30; ++i) ASSERT_TRUE(history.append(wal(i, i)));
  const auto found = records(all(history));
  ASSERT_THAT(found, SizeIs(25));
  EXPECT_EQ(found[19], 19);
  EXPECT_EQ(found[20], 25);
  // As it was, also to who opens it anew.
  EXPECT_EQ(records(all(open())), found);
}

// ---- Damaged
// --------------------------------------------------------------------------------------

TEST_F(HistoryFaults, AFileThatIsNoneIsMovedAsideAndANewOneBegun) {
  fill(100);
  overwrite(0, 50'000);
  {
    const auto reading = Store::open(path(), clock_, {.read_only = true});
    ASSERT_FALSE(reading);
    EXPECT_THAT(reading.error().message, HasSubstr(path().string()));
    EXPECT_THAT(reading.error().hint, HasSubstr("aside"));
  }
  EXPECT_THAT(files(), ElementsAre("history.db")) << "who only reads moves nothing";
  auto& history = open();
  ASSERT_TRUE(store_->moved_aside());
  EXPECT_EQ(store_->moved_aside()->filename(), "history.db.corrupt-19700101T010000Z");
  EXPECT_TRUE(fs::exists(*store_->moved_aside()));
  ASSERT_TRUE(history.append(wal(5000, 1)));
  EXPECT_THAT(records(all(history)), ElementsAre(1));
}

TEST_F(HistoryFaults, DamageThatIsMetLaterEndsTheFileAndNotTheMonitor) {
  fill(2000);
  // The first page and its schema stay.
  overwrite(4096, static_cast<std::size_t>(fs::file_size(path())) - 4096);
  auto& history = open();
  EXPECT_FALSE(store_->moved_aside());
  clock_.advance(std::chrono::hours(1));
  const auto refused = history.append(wal(30'000, 1));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("malformed"));
  ASSERT_TRUE(history.append(wal(30'010, 2)));
  ASSERT_TRUE(history.append(wal(30'020, 3)));
  EXPECT_EQ(store_->moved_aside()->filename(), "history.db.corrupt-19700101T020000Z");
  EXPECT_THAT(records(all(history)), ElementsAre(2, 3));
  // The next time it happens the older one goes: a disk that breaks does not fill up.
  close();
  overwrite(0, 50'000);
  clock_.advance(std::chrono::hours(1));
  auto& again = open();
  ASSERT_TRUE(again.append(wal(40'000, 4)));
  std::vector<std::string> aside;
  for (const auto& file : files()) {
    if (file.find("corrupt") != std::string::npos) aside.push_back(file);
  }
  EXPECT_THAT(aside, ElementsAre("history.db.corrupt-19700101T030000Z"));
}

TEST_F(HistoryFaults, ADamagedFrameEndsItsFilmAlone) {
  auto& history = open({.film_samples = 10});
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(history.append(wal(i, i)));
  ASSERT_TRUE(store_->database().run("UPDATE sample SET frame = x'4b' WHERE id = 2 * 4096 + 4"));
  auto cursor = history.read({});
  ASSERT_TRUE(cursor);
  int samples = 0;
  for (auto next = cursor->next(); next && *next != nullptr; next = cursor->next()) ++samples;
  EXPECT_EQ(samples, 24);
  EXPECT_EQ(cursor->damaged(), 1U);
}

TEST_F(HistoryFaults, AFileThatIsRemovedUnderItIsBegunAnew) {
  auto& history = open();
  ASSERT_TRUE(history.append(wal(0, 0)));
  for (const auto& file : files()) fs::remove(room_.path() / file);
  ASSERT_TRUE(history.append(wal(10, 1)));
  ASSERT_TRUE(history.append(wal(20, 2)));
  EXPECT_THAT(records(all(history)), ElementsAre(1, 2));
  EXPECT_THAT(records(all(open())), ElementsAre(1, 2));
}

// ---- Somebody else's
// ------------------------------------------------------------------------------

TEST_F(HistoryFaults, WhatIsNotOursIsRefusedAndLeftAlone) {
  const auto refused = [&](const fs::path& file) {
    const auto opened = Store::open(file, clock_);
    if (opened) return std::string("taken");
    EXPECT_EQ(opened.error().code, ErrorCode::kConfiguration);
    EXPECT_THAT(opened.error().message, HasSubstr(file.string()));
    return opened.error().message;
  };
  const auto text = room_.path() / "lyceum.toml";
  std::ofstream(text) << "[watch]\n";
  EXPECT_THAT(refused(text), HasSubstr("is no history"));
  const auto other = room_.path() / "other.db";
  {
    const auto database = sqlite::Database::open(other.string(), false);
    ASSERT_TRUE((*database)->run("CREATE TABLE theirs (a)"));
  }
  EXPECT_THAT(refused(other), HasSubstr("another program"));
  fill(1);
  {
    const auto database = sqlite::Database::open(path().string(), false);
    ASSERT_TRUE((*database)->run("PRAGMA user_version = 99"));
  }
  EXPECT_THAT(refused(path()), HasSubstr("newer Lyceum"));
  EXPECT_THAT(files(), ElementsAre("history.db", "lyceum.toml", "other.db"));
}

TEST_F(HistoryFaults, WhatIsNotThereIsNotMadeByWhoReads) {
  const auto opened = Store::open(path(), clock_, {.read_only = true});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(files(), SizeIs(0));
}

TEST_F(HistoryFaults, APlaceThatCannotBeMadeIsNamed) {
  std::ofstream(room_.path() / "file") << "x";
  const auto opened = Store::open(room_.path() / "file" / "history.db", clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kIo);
  EXPECT_THAT(opened.error().message, HasSubstr((room_.path() / "file").string()));
}

TEST(HistoryPlace, IsTheSettingsElseTheSystemsElseTheUsers) {
  using Environment = std::map<std::string, std::string>;
  WatchSettings settings;
  const Environment everything = {{"STATE_DIRECTORY", "/var/lib/lyceum-watch:/x"},
                                  {"XDG_STATE_HOME", "/x/state"},
                                  {"HOME", "/home/ada"}};
  EXPECT_EQ(history_path(settings, everything).value(), "/var/lib/lyceum-watch/history.db");
  settings.history_file = "/srv/h.db";
  EXPECT_EQ(history_path(settings, everything).value(), "/srv/h.db");
  settings.history_file.clear();
  if (::geteuid() == 0) {
    EXPECT_EQ(history_path(settings, {}).value(), "/var/lib/lyceum-watch/history.db");
    return;
  }
  EXPECT_EQ(history_path(settings, {{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}}).value(),
            "/x/lyceum/history.db");
  EXPECT_EQ(history_path(settings, {{"XDG_STATE_HOME", "x"}, {"HOME", "/h"}}).value(),
            "/h/.local/state/lyceum/history.db");
  EXPECT_EQ(history_path(settings, {}).error().code, ErrorCode::kConfiguration);
}

}  // namespace
}  // namespace lyceum::watch
