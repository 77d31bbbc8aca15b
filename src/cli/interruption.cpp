#include "cli/interruption.h"

#include <cstdlib>
#include <pthread.h>

namespace lyceum::cli {
namespace {

constexpr int kEnd = SIGUSR1;  // sent to the waiting thread alone

sigset_t watched() {
  sigset_t out;
  ::sigemptyset(&out);
  for (const int signal : {SIGINT, SIGTERM, kEnd}) ::sigaddset(&out, signal);
  return out;
}

}  // namespace

// Blocked here and in every thread that is started from now on, a signal waits for ours.
Interruption::Interruption(std::function<void()> clean_up) : clean_up_(std::move(clean_up)) {
  const auto signals = watched();
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
  thread_ = std::thread([this] { wait_for_signal(); });
}

void Interruption::wait_for_signal() {
  const auto signals = watched();
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0) {
  }
  if (signal == kEnd) return;
  clean_up_();
  // Not exit(): the other threads are still at work with what that would take from them.
  std::_Exit(128 + signal);
}

void Interruption::end() {
  if (!thread_.joinable()) return;
  ::pthread_kill(thread_.native_handle(), kEnd);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace lyceum::cli
