#include "server/key_source.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "server/signing.h"
#include "support/process.h"

namespace lyceum::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Keys : public ::testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  static std::string of(const std::string& kids) {
    std::string out;
    for (const char kid : kids) {
      out += (out.empty() ? "" : ",") +
             Signer::secret(std::string(32, kid)).jwk(std::string_view(&kid, 1));
    }
    return set_of(out);
  }
  [[nodiscard]] std::shared_ptr<KeySource> open() const {
    return KeySource::open(path_, clock_).value();
  }

  testing::TemporaryDirectory room_;
  std::string path_ = (room_.path() / "keys.json").string();
  FakeClock clock_;
};

TEST_F(Keys, AreThoseOfTheFile) {
  write(of("a"));
  const auto source = open();
  EXPECT_NE(source->current().keys->find("a"), nullptr);
  EXPECT_EQ(source->current().version, source->version());
}

TEST_F(Keys, ThatCannotBeReadAreAnErrorAtTheStart) {
  const auto missing = KeySource::open(path_, clock_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_THAT(missing.error().to_string(), AllOf(HasSubstr(path_), HasSubstr("No such file")));
  EXPECT_EQ(KeySource::open(room_.path().string(), clock_).error().code, ErrorCode::kIo);
  write("nonsense");
  const auto bad = KeySource::open(path_, clock_);
  EXPECT_EQ(bad.error().code, ErrorCode::kConfiguration);
  EXPECT_THAT(bad.error().message, HasSubstr(path_));
  write(std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(KeySource::open(path_, clock_).error().message, HasSubstr("1 MiB"));
}

TEST_F(Keys, AreReadAnewWhenToldAndKeptWhereTheFileIsBad) {
  write(of("ab"));
  const auto source = open();
  const auto before = source->current();
  write(of("bc"));
  EXPECT_EQ(source->version(), before.version);
  ASSERT_TRUE(source->reload());
  EXPECT_GT(source->version(), before.version);
  EXPECT_EQ(source->current().keys->find("a"), nullptr) << "what was taken out is out";
  EXPECT_NE(source->current().keys->find("c"), nullptr);
  EXPECT_NE(before.keys->find("a"), nullptr) << "a snapshot stays as it is";

  const auto good = source->version();
  write("{");
  const auto failed = source->reload();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr(path_));
  EXPECT_EQ(source->version(), good);
  EXPECT_NE(source->current().keys->find("c"), nullptr);
  write(of("bc"));
  ASSERT_TRUE(source->reload());
  EXPECT_EQ(source->version(), good) << "the same file changes nothing";
}

TEST_F(Keys, AreReadOnceMoreForAnIdThatIsNotThere) {
  write(of("a"));
  const auto source = open();
  write(of("ab"));
  EXPECT_TRUE(source->refetch("b"));
  EXPECT_NE(source->current().keys->find("b"), nullptr);
  EXPECT_TRUE(source->refetch("b")) << "no reading is needed";

  // Not there: asked for once, whatever comes later, until the keys change.
  clock_.advance(1s);
  EXPECT_FALSE(source->refetch("c"));
  write(of("abc"));
  clock_.advance(1h);
  EXPECT_FALSE(source->refetch("c"));
  EXPECT_TRUE(source->reload());
  EXPECT_TRUE(source->refetch("c"));
  clock_.advance(1s);
  write(of("ab"));
  EXPECT_TRUE(source->reload());
  write(of("abc"));
  EXPECT_TRUE(source->refetch("c"));
}

TEST_F(Keys, AreReadOnceASecondAtMostWhoeverAsks) {
  write(of("a"));
  const auto source = open();
  EXPECT_FALSE(source->refetch("x"));
  write(of("ab"));
  clock_.advance(999ms);
  EXPECT_FALSE(source->refetch("b")) << "too early, and not held against it";
  clock_.advance(1ms);
  EXPECT_TRUE(source->refetch("b"));
}

TEST_F(Keys, OfABadFileAtARefetchAreKeptAndItIsToldOnce) {
  std::vector<std::string> told;
  write(of("a"));
  const auto source = KeySource::open(path_, clock_, {}, [&](const Error& error) {
                        told.push_back(error.message);
                      }).value();
  int asked = 0;
  const auto refetch = [&] {
    clock_.advance(1s);
    return source->refetch(fmt::format("unknown {}", ++asked));
  };
  EXPECT_FALSE(refetch());
  EXPECT_EQ(told.size(), 0U) << "an id that is not there is no failure";
  write("{");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(refetch());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_THAT(told[0], HasSubstr(path_));
  EXPECT_NE(source->current().keys->find("a"), nullptr);

  std::filesystem::remove(path_);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(refetch());
  ASSERT_EQ(told.size(), 2U) << "another reason";
  EXPECT_NE(told[1], told[0]);

  write(of("ab"));
  EXPECT_FALSE(refetch());
  write("{");
  EXPECT_FALSE(refetch());
  ASSERT_EQ(told.size(), 3U) << "it was good in between";
  EXPECT_EQ(told[2], told[0]);

  // Who asks for a reading gets the reason, and it is known then.
  write(of("abc"));
  EXPECT_TRUE(source->reload());
  write("{");
  EXPECT_FALSE(source->reload());
  EXPECT_FALSE(refetch());
  EXPECT_EQ(told.size(), 3U);
}

TEST_F(Keys, RememberABoundedNumberOfIds) {
  write(of("a"));
  const auto source = open();
  for (int i = 0; i <= 1000; ++i) {
    clock_.advance(1s);
    EXPECT_FALSE(source->refetch(std::to_string(i)));
  }
  write(set_of(Signer::secret(std::string(32, 'x')).jwk("0") + ',' +
               Signer::secret(std::string(32, 'y')).jwk("1000")));
  clock_.advance(1s);
  EXPECT_FALSE(source->refetch("1000")) << "is remembered";
  EXPECT_TRUE(source->refetch("0")) << "was forgotten";
}

TEST_F(Keys, AreReadByManyThreadsWhileTheyChange) {
  write(of("ab"));
  const SystemClock clock;
  const auto source = KeySource::open(path_, clock).value();
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        auto seen = source->current();
        while (!stop) {
          if (source->version() != seen.version) seen = source->current();
          if (seen.keys->find("b") == nullptr) ++wrong;
          (void)source->refetch("z");
        }
      });
    }
    for (int i = 0; i < 50; ++i) {
      const auto next = path_ + ".new";
      std::ofstream(next) << of(i % 2 == 0 ? "bc" : "ab");
      std::filesystem::rename(next, path_);
      EXPECT_TRUE(source->reload());
    }
    stop = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(source->version(), 50U);
}

}  // namespace
}  // namespace lyceum::server
