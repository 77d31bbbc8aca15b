#pragma once

#include <boost/asio/awaitable.hpp>

#include "server/api.h"

namespace lyceum::server {

// One function per route; what each answers stands in the OpenAPI document.
boost::asio::awaitable<Result<Response>> get_openapi(Call& call);
boost::asio::awaitable<Result<Response>> get_stories(Call& call);
boost::asio::awaitable<Result<Response>> get_story(Call& call);
boost::asio::awaitable<Result<Response>> get_summary(Call& call);
boost::asio::awaitable<Result<Response>> get_recommendations(Call& call);
boost::asio::awaitable<Result<Response>> post_reviews(Call& call);
boost::asio::awaitable<Result<Response>> get_export(Call& call);
boost::asio::awaitable<Result<Response>> delete_learner(Call& call);
boost::asio::awaitable<Result<Response>> post_progress_batch(Call& call);
boost::asio::awaitable<Result<Response>> post_sessions(Call& call);
boost::asio::awaitable<Result<Response>> post_events(Call& call);
boost::asio::awaitable<Result<Response>> get_analytics(Call& call);

// What follows a write that stands in the ledger of idempotency keys: now and then the removal of
// the tenant's old keys. Each such write adds one key and every 64th takes up to a thousand away,
// so that the ledger stays small by itself.
boost::asio::awaitable<void> after_keyed_write(Call& call);

// kForbidden where a principal that is a learner and no more writes for somebody else.
[[nodiscard]] std::optional<Error> check_writer(const Principal& principal, const Uuid& learner);

}  // namespace lyceum::server
