#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "learning/scope.h"

namespace lyceum::learning {

// Takes the next piece of a document; the piece is valid until what it gives has been awaited. The
// next one is fetched only then. An error ends the export and is its result.
using ExportSink = std::function<boost::asio::awaitable<Result<void>>(std::string_view piece)>;

struct ExportOutcome {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

// Everything that is kept of one learner, at one moment, as one JSON document:
//   {"learner": {…}, "progress": […], "vocabulary_progress": […], "sessions": […], "events": […],
//    "exercise_attempts": […], "idempotency_keys": […]}
// with rows as the tables have them, without tenant_id; the last are stored answers to this
// learner's reviews. Memory stays bounded however much there is: pieces hold some hundred rows at
// most. The first piece comes when the learner is known to exist; after an error that comes later
// the document is incomplete, and no JSON. The sink must outlive the call; what it throws is thrown
// on.
// Errors: kNotFound, the sink's, those of Pool::lease and Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<ExportOutcome>> export_learner(Scope scope,
                                                                           Uuid learner,
                                                                           ExportSink sink);

}  // namespace lyceum::learning
