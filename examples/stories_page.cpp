// Five stories about a river, as the application reads them.
//
//   stories_page CONNECTION-STRING TENANT-UUID
//
// The function is the README's example; tests/cli compares the two, tests/outside builds and runs
// this against the installed library.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <learning/stories.h>
#include <pool/pool.h>

using namespace lyceum;

boost::asio::awaitable<void> show(boost::asio::any_io_executor executor, std::string url,
                                  Uuid tenant) {
  pool::Pool pool(executor, {.target = learning::tuned(pg::parse_target(url).value())});
  auto page = co_await learning::stories_page({pool, tenant}, {.search = "river", .limit = 5});
  if (page.has_error()) {
    std::cerr << page.error().to_string() << '\n';
  } else {
    for (const auto& story : page->stories) std::cout << story.level << "  " << story.title << '\n';
  }
  co_await pool.shutdown(std::chrono::seconds(5));
}

int main(int argc, char** argv) {
  const auto tenant = argc == 3 ? parse_uuid(argv[2]) : std::nullopt;
  if (!tenant) return std::cerr << "usage: stories_page CONNECTION-STRING TENANT-UUID\n", 2;
  boost::asio::io_context io(1);
  boost::asio::co_spawn(io, show(io.get_executor(), argv[1], *tenant),
                        [](std::exception_ptr error) {
                          if (error) std::rethrow_exception(error);
                        });
  io.run();
}
