#include <array>

#include "server/handlers.h"
#include "server/openapi.h"

namespace lyceum::server {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kNoBody = 0;
constexpr std::size_t kSmallBody = std::size_t{64} * 1024;
constexpr std::size_t kBatchBody = std::size_t{4} * 1024 * 1024;
// An event's payload may be 16 KiB; a batch of long ones is sent in parts.
constexpr std::size_t kEventsBody = std::size_t{16} * 1024 * 1024;

constexpr std::array<std::string_view, 8> kStories{
    "level", "difficulty_min", "difficulty_max", "q", "include", "learner", "limit", "cursor"};
constexpr std::array<std::string_view, 2> kStory{"include", "learner"};
constexpr std::array<std::string_view, 2> kRecommendations{"limit", "time_zone"};
constexpr std::array<std::string_view, 3> kAnalytics{"from", "to", "time_zone"};

}  // namespace

awaitable<Result<Response>> get_openapi(Call&) {
  co_return Response{.body = std::string(openapi_document())};
}

std::span<const Route> routes() {
  static constexpr std::array kRoutes = {
      Route{Method::get, "/openapi.json", Audience::everyone, {}, kNoBody, &get_openapi},
      Route{Method::get, "/v1/stories", Audience::members, kStories, kNoBody, &get_stories},
      Route{Method::get, "/v1/stories/{id}", Audience::members, kStory, kNoBody, &get_story},
      Route{Method::get,
            "/v1/learners/{id}/summary",
            Audience::own_learner,
            {},
            kNoBody,
            &get_summary},
      Route{Method::get, "/v1/learners/{id}/vocabulary/recommendations", Audience::own_learner,
            kRecommendations, kNoBody, &get_recommendations},
      Route{Method::post,
            "/v1/learners/{id}/vocabulary/reviews",
            Audience::own_learner,
            {},
            kSmallBody,
            &post_reviews},
      Route{Method::get,
            "/v1/learners/{id}/export",
            Audience::learner_data,
            {},
            kNoBody,
            &get_export},
      Route{Method::delete_,
            "/v1/learners/{id}",
            Audience::learner_data,
            {},
            kNoBody,
            &delete_learner},
      Route{Method::post,
            "/v1/progress/batch",
            Audience::members,
            {},
            kBatchBody,
            &post_progress_batch},
      Route{Method::post, "/v1/sessions", Audience::members, {}, kBatchBody, &post_sessions},
      Route{Method::post, "/v1/events", Audience::members, {}, kEventsBody, &post_events},
      Route{Method::get, "/v1/analytics/learning", Audience::staff, kAnalytics, kNoBody,
            &get_analytics},
  };
  return kRoutes;
}

}  // namespace lyceum::server
