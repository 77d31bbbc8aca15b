// Connection::connect: hosts in turn, names resolved without blocking, the socket handed to Asio
// and back at every step.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <libpq-fe.h>

#include "pg/connection.h"
#include "pg/waiter.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;

struct Host {
  std::string host;
  std::string address;  // numeric; empty for a socket directory
  std::string port;
};

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

bool is_socket_directory(std::string_view host) {
  return host.empty() || host[0] == '/' || host[0] == '@';
}

void add_problem(std::string& problems, std::string_view problem) {
  if (problem.empty()) return;
  if (!problems.empty()) problems += "; ";
  problems += problem;
}

// A look-up cannot be called back: past the deadline it is left to end by itself.
awaitable<std::vector<std::string>> addresses_of(std::string host, SteadyTime deadline,
                                                 std::string& problem) {
  struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor) {}
    asio::ip::tcp::resolver resolver;
    Waiter waiter;
    error_code error = asio::error::timed_out;
    std::vector<std::string> addresses;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<Lookup>(executor);
  lookup->resolver.async_resolve(host, "", [lookup](error_code error, const auto& found) {
    if (lookup->waiter.done()) return;
    lookup->error = error;
    for (const auto& entry : found) {
      lookup->addresses.push_back(entry.endpoint().address().to_string());
    }
    lookup->waiter.notify();
  });
  asio::steady_timer timer(executor);
  if (deadline != kNoDeadline) {
    timer.expires_at(deadline);
    timer.async_wait([lookup](error_code error) {
      if (!error && !lookup->waiter.done()) lookup->waiter.notify();
    });
  }
  co_await lookup->waiter.wait();
  if (lookup->error) {
    problem = fmt::format("host name '{}' cannot be resolved: {}", host, lookup->error.message());
  }
  co_return lookup->addresses;
}

// What the server or libpq says of a failed attempt: one line, and the SQLSTATE taken out of it.
// libpq 15 keeps no result of a failed connect; told to be verbose it writes "FATAL:  28P01: …" and
// a LOCATION line.
std::string reason_of(pg_conn* connection, std::string& sqlstate) {
  std::string_view rest = PQerrorMessage(connection);
  std::string out;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    if (line.empty() || line.starts_with("LOCATION:")) continue;
    if (!out.empty()) out += ' ';
    const auto mark = line.find(":  ");
    const auto code = mark == line.npos ? std::string_view{} : line.substr(mark + 3, 5);
    const bool is_code =
        code.size() == 5 && line.substr(mark + 8, 2) == ": " &&
        code.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == code.npos;
    if (is_code) {
      sqlstate = code;
      out += line.substr(0, mark + 3);
      out += line.substr(mark + 10);
    } else {
      out += line;
    }
  }
  return out;
}

// The hosts of a target, one entry per address. Names are resolved here because libpq would block.
awaitable<std::vector<Host>> resolve(const Target& target, SteadyTime deadline,
                                     std::string& problems) {
  const auto hosts = split(target.get("host"));
  const auto addresses = split(target.get("hostaddr"));
  const auto ports = split(target.get("port"));
  const auto count = std::max(hosts.size(), addresses.size());
  std::vector<Host> out;
  for (std::size_t i = 0; i < count; ++i) {
    Host entry{.host = i < hosts.size() ? hosts[i] : "",
               .address = i < addresses.size() ? addresses[i] : "",
               .port = ports.size() == 1  ? ports[0]
                       : i < ports.size() ? ports[i]
                                          : ""};
    if (!entry.address.empty() || is_socket_directory(entry.host)) {
      out.push_back(std::move(entry));
      continue;
    }
    std::string problem;
    for (auto& address : co_await addresses_of(entry.host, deadline, problem)) {
      entry.address = std::move(address);
      out.push_back(entry);
    }
    add_problem(problems, problem);
  }
  co_return out;
}

std::string hint_for(std::string_view sqlstate, std::string_view message) {
  if (sqlstate == "28P01" || message.find("password authentication failed") != message.npos) {
    return "check the user and the password in the connection string";
  }
  if (sqlstate == "3D000" || message.find("does not exist") != message.npos) {
    return "create it, or correct the connection string";
  }
  if (sqlstate == "53300" || message.find("too many clients") != message.npos ||
      message.find("remaining connection slots") != message.npos) {
    return "lower connection_limit or raise the server's max_connections";
  }
  if (sqlstate == "57P03") return "the server is starting or stopping: try again shortly";
  if (message.find("no pg_hba.conf entry") != message.npos) {
    return "add a line for this user, database and address to pg_hba.conf";
  }
  return "check that the server runs and that the address is right";
}

}  // namespace

awaitable<Result<std::shared_ptr<Connection>>> Connection::connect(asio::any_io_executor executor,
                                                                   Options options) {
  std::shared_ptr<Connection> connection(new Connection(executor, options.target.node));
  auto opened = co_await connection->open(std::move(options));
  if (opened.has_error()) co_return opened.error();
  co_return connection;
}

awaitable<Result<void>> Connection::open(Options options) {
  std::string problems;
  const auto hosts = co_await resolve(options.target, options.deadline, problems);
  Error error{.code = ErrorCode::kConnect, .hint = hint_for("", problems), .node = node_};
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    auto target = options.target;
    target.set("host", hosts[i].host);
    target.set("hostaddr", hosts[i].address);
    target.set("port", hosts[i].port);
    if (target.get("application_name").empty()) {
      target.set("application_name", options.application_name);
    }
    target.set("client_encoding", "UTF8");
    // Kerberos's encryption is libpq's alone, and its files are read in the foreground.
    target.set("gssencmode", "disable");
    std::vector<const char*> keys, values;
    for (const auto& [key, value] : target.keywords) {
      if (value.empty()) continue;
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);

    auto deadline = options.deadline;
    if (deadline != kNoDeadline && hosts.size() > 1) {
      // A host that swallows everything leaves time for those after it.
      const auto now = std::chrono::steady_clock::now();
      deadline = now + (deadline - now) / static_cast<int>(hosts.size() - i);
    }
    connection_.reset(PQconnectStartParams(keys.data(), values.data(), 0));
    if (!connection_) throw std::bad_alloc();
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    auto connected = co_await poll_until_connected(
        deadline, fmt::format("{}:{}", hosts[i].host.empty() ? hosts[i].address : hosts[i].host,
                              hosts[i].port));
    if (connected.has_value()) {
      canceller_.emplace(connection_.get());
      // From here on libpq has nothing to do but to end it.
      stream_ = Stream(connection_.get());
      connected_at_ = std::chrono::steady_clock::now();
      enter_pipeline();
      co_return Result<void>{};
    }
    error = connected.error();
    add_problem(problems, error.message);
    connection_.reset();
  }
  closed_ = true;
  error.message = "cannot connect: " + problems;
  co_return error;
}

awaitable<Result<void>> Connection::poll_until_connected(SteadyTime deadline, std::string where) {
  // Two waits raced against each other need no shared flag here: the timer only ever cancels the
  // descriptor's wait.
  bool late = false;
  asio::steady_timer timer(executor_);
  std::shared_ptr<void> alive = std::make_shared<int>();
  if (deadline != kNoDeadline) {
    timer.expires_at(deadline);
    timer.async_wait([this, &late, weak = std::weak_ptr<void>(alive)](error_code error) {
      if (error || weak.expired()) return;
      late = true;
      if (descriptor_.is_open()) descriptor_.cancel();
    });
  }
  auto status = PGRES_POLLING_WRITING;
  while (PQstatus(connection_.get()) != CONNECTION_BAD && !late) {
    // The socket may be another one at every step, even under the same number: Asio gets it for
    // one wait only.
    assign_socket();
    error_code error;
    co_await descriptor_.async_wait(status == PGRES_POLLING_READING
                                        ? asio::posix::stream_descriptor::wait_read
                                        : asio::posix::stream_descriptor::wait_write,
                                    asio::redirect_error(use_awaitable, error));
    release_socket();
    if (late) break;
    status = PQconnectPoll(connection_.get());
    if (status == PGRES_POLLING_OK) {
      assign_socket();
      co_return Result<void>{};
    }
    if (status == PGRES_POLLING_FAILED) break;
  }
  if (late) {
    co_return Error{.code = ErrorCode::kTimeout,
                    .message = fmt::format("the server at {} did not answer in time", where),
                    .hint = "check the address and the network, or raise connect_timeout",
                    .node = node_};
  }
  // libpq's text names host and reason and no secret.
  std::string sqlstate;
  const auto message = reason_of(connection_.get(), sqlstate);
  co_return Error{.code = ErrorCode::kConnect,
                  .message = message,
                  .hint = hint_for(sqlstate, message),
                  .sqlstate = sqlstate,
                  .node = node_};
}

}  // namespace lyceum::pg
