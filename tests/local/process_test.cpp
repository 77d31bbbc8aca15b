#include "local/process.h"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "local/files.h"
#include "support/postgres.h"
#include "support/process.h"

namespace lyceum::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

Command shell(std::string script) {
  Command command;
  command.argv = {"/bin/sh", "-c", std::move(script)};
  command.environment = clean_environment();
  return command;
}

TEST(Run, GivesStatusAndBothOutputs) {
  auto command = shell("read line; echo out $line; echo err >&2; exit 7");
  command.input = "word\n";
  const auto outcome = run(command).value();
  EXPECT_EQ(outcome.exit_status, 7);
  EXPECT_EQ(outcome.out, "out word\n");
  EXPECT_EQ(outcome.err, "err\n");
}

TEST(Run, TellsASignalAsAShellWould) {
  EXPECT_EQ(run(shell("kill -TERM $$")).value().exit_status, 128 + SIGTERM);
}

TEST(Run, TakesMoreOutputThanAPipeHolds) {
  const auto outcome = run(shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero")).value();
  EXPECT_EQ(outcome.out.size(), 300'000U);
  EXPECT_EQ(outcome.err.size(), 300'000U);
}

TEST(Run, HandsOverWordsAsTheyAre) {
  Command command;
  command.argv = {"/usr/bin/printf", "%s|", "a b", "$HOME", "'\"", "", "*"};
  command.environment = clean_environment();
  EXPECT_EQ(run(command).value().out, "a b|$HOME|'\"||*|");
}

TEST(Run, EndsWhatTakesTooLong) {
  auto command = shell("echo $$; exec sleep 1000");
  command.timeout = milliseconds(100);
  const auto outcome = run(command);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout);
}

TEST(Run, SaysWhatCannotBeStarted) {
  Command command;
  command.argv = {"/nowhere/program"};
  const auto outcome = run(command);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kIo);
  EXPECT_NE(outcome.error().message.find("/nowhere/program"), std::string::npos);
  EXPECT_NE(outcome.error().message.find("No such file"), std::string::npos);
}

// The disposition of a signal as the kernel keeps it: glibc refuses to touch the first two
// real-time signals, which it keeps for itself.
class Ignored {
 public:
  explicit Ignored(int signal) : signal_(signal) {
    Disposition ignore{};
    ignore[0] = reinterpret_cast<std::uintptr_t>(SIG_IGN);
    ::syscall(SYS_rt_sigaction, signal_, ignore.data(), before_.data(), kSetSize);
  }
  ~Ignored() { ::syscall(SYS_rt_sigaction, signal_, before_.data(), nullptr, kSetSize); }
  Ignored(const Ignored&) = delete;
  Ignored& operator=(const Ignored&) = delete;

 private:
  static constexpr std::size_t kSetSize = 8;
  using Disposition = std::array<std::uintptr_t, 8>;  // the handler first, then flags and mask
  int signal_;
  Disposition before_{};
};

TEST(Run, HandsOverNoDescriptorAndNoSignalMask) {
  constexpr int kFirstOfGlibcs = 32;
  const Ignored interrupt(SIGINT);
  const Ignored glibcs(kFirstOfGlibcs);
  // Without close-on-exec: what a careless library would open.
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int leaky = ::fcntl(null, F_DUPFD, 100);
  ::close(null);
  ASSERT_GE(leaky, 100);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  const auto outcome =
      run(shell("echo /proc/self/fd/*; grep -E 'SigBlk|SigIgn' /proc/self/status"));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(leaky);
  const auto& out = outcome.value().out;
  EXPECT_EQ(out.find("/proc/self/fd/" + std::to_string(leaky)), std::string::npos) << out;
  EXPECT_NE(out.find("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"), std::string::npos)
      << out;
}

TEST(Run, BecomesTheAccountWithoutRootsGroups) {
  auto command = shell("id -u; id -g; id -G");
  command.account = server_account().value();
  const auto out = run(command).value().out;
  const auto uid = std::to_string(command.account->uid);
  const auto gid = std::to_string(command.account->gid);
  if (::geteuid() == 0) {
    EXPECT_NE(command.account->uid, 0U);
    EXPECT_EQ(out, uid + "\n" + gid + "\n" + gid + "\n");
  } else {
    EXPECT_EQ(command.account->uid, ::geteuid());
    EXPECT_EQ(out.substr(0, uid.size() + 1), uid + "\n");
  }
}

TEST(CleanEnvironment, LeavesOutWhatSteersPostgres) {
  ::setenv("PGDATA", "/somewhere", 1);
  ::setenv("LC_MESSAGES", "de_DE.UTF-8", 1);
  ::setenv("LYCEUM_TEST_KEPT", "1", 1);
  const auto out = run(shell("echo $PGDATA,$LC_MESSAGES,$LC_ALL,$LYCEUM_TEST_KEPT")).value().out;
  ::unsetenv("PGDATA");
  ::unsetenv("LC_MESSAGES");
  ::unsetenv("LYCEUM_TEST_KEPT");
  EXPECT_EQ(out, ",,C.UTF-8,1\n");
}

TEST(StartDaemon, IsASessionOfItsOwnThatHoldsNoPipeOfOurs) {
  const testing::TemporaryDirectory place;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // inheritable on purpose
  const auto pid =
      start_daemon(shell("echo started; exec sleep 1000"), place.path() / "log").value();
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "the daemon holds our pipe open";
  ::close(ends[0]);
  EXPECT_NE(::getsid(pid), ::getsid(0));
  EXPECT_NE(parent_of(pid), ::getpid());
  EXPECT_TRUE(testing::eventually([&] { return read_file(place.path() / "log") == "started\n"; }));
  ASSERT_TRUE(is_alive(pid));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(wait_until_gone(pid, std::chrono::seconds(10)));
}

TEST(LockFile, ExcludesAndNamesItsHolder) {
  const testing::TemporaryDirectory place;
  const auto path = place.path() / "a.lock";
  {
    const auto lock = LockFile::take(path, milliseconds(0));
    ASSERT_TRUE(lock);
    const auto second = LockFile::take(path, milliseconds(30));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kTimeout);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(LockFile::take(path, milliseconds(0)));
}

TEST(RandomHex, IsAsLongAsAskedAndNeverTheSame) {
  EXPECT_EQ(random_hex(32).size(), 32U);
  EXPECT_EQ(random_hex(7).size(), 7U);
  EXPECT_NE(random_hex(32), random_hex(32));
}

}  // namespace
}  // namespace lyceum::local
