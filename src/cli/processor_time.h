#pragma once

#include <chrono>
#include <span>
#include <sys/types.h>

namespace lyceum::cli {

// Processor time, of the program and of the system for it. The kernel tells it of other processes
// in ticks of some milliseconds: what is measured should take many.

// Of these processes so far, and of the children of the first that have ended and been reaped: of a
// server and its backends, where the first is its postmaster. One that is gone counts nothing.
[[nodiscard]] std::chrono::duration<double> processor_time_of(std::span<const pid_t> processes);

// Of this process so far, all threads together.
[[nodiscard]] std::chrono::duration<double> own_processor_time();

}  // namespace lyceum::cli
