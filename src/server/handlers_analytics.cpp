#include "learning/analytics.h"
#include "server/handlers.h"
#include "server/json_struct.h"

namespace lyceum::server {

using boost::asio::awaitable;

awaitable<Result<Response>> get_analytics(Call& call) {
  const auto from = call.query.timestamp("from");
  if (from.has_error()) co_return from.error();
  const auto to = call.query.timestamp("to");
  if (to.has_error()) co_return to.error();
  if (!*from || !*to) co_return learning::bad_input("'from' and 'to' are needed");
  const auto found = co_await learning::learning_analytics(
      call.scope(), {.from = **from, .to = **to, .time_zone = call.query.text("time_zone")});
  if (found.has_error()) co_return found.error();
  Response response;
  append_json(response.body, *found);
  co_return response;
}

}  // namespace lyceum::server
