#include "local/descriptor.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "local/process.h"

namespace lyceum::local {

void Descriptor::close() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("cannot make a pipe", errno);
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace lyceum::local
