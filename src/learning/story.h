#pragma once

#include "learning/stories.h"

namespace lyceum::learning {

// A story as its reader sees it: what a listing shows, and the text.
struct StoryDetail {
  Story story;
  std::string content;
};

// One published story of the tenant. With a learner its progress stands in it, where there is any.
// That it was read is not counted here.
// Errors: kNotFound (no such story, or one that is not published; no such learner), those of
// Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<StoryDetail>> story(
    Scope scope, Uuid id, std::optional<Uuid> learner = std::nullopt);

}  // namespace lyceum::learning
