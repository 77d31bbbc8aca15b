#pragma once

#include <string_view>

namespace lyceum::server {

// Tells the service manager ("READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=…"): a datagram
// to the socket that NOTIFY_SOCKET names, as sd_notify(3) describes. Does nothing where there is
// none, and ignores a manager that does not listen.
void notify_manager(std::string_view socket, std::string_view state);

}  // namespace lyceum::server
