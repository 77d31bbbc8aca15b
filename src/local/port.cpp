#include "local/port.h"

#include <arpa/inet.h>
#include <cstdint>
#include <fstream>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>

#include "local/descriptor.h"

namespace lyceum::local {

bool is_port_free(int port) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return false;
  // As PostgreSQL does: connections that are closing do not keep the port.
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(socket.get(), 1) == 0;
}

Result<int> find_free_port() {
  constexpr int kLowest = 15'000;
  int end = 32'768;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> end;
  if (end < kLowest + 1'000) end = 32'768;
  std::random_device source;
  std::uniform_int_distribution<int> any(kLowest, end - 1);
  for (int attempt = 0; attempt < 1'000; ++attempt) {
    const int port = any(source);
    if (is_port_free(port)) return port;
  }
  return Error{.code = ErrorCode::kIo,
               .message = "found no free TCP port on 127.0.0.1",
               .hint = "end programs that listen there"};
}

}  // namespace lyceum::local
