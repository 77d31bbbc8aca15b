#include "watch/history.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "watch/collector.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using sqlite::Transaction;

// A sample's id is its film's with this many bits for its place.
constexpr int kPlaceBits = 12;
constexpr std::int64_t kPlaces = 1LL << kPlaceBits;

// More between two samples is a jump of the clock, or a time when nobody watched. Twice the longest
// interval that can be set for what is read fast.
constexpr std::chrono::microseconds kMostObserved = 2h;
// Old films that go when a new one begins: more than come, so that it ends where much is to go.
constexpr int kFilmsAtATime = 4;

std::int64_t micros(Timestamp at) {
  return at.time_since_epoch().count();
}
Timestamp timestamp(std::int64_t microseconds) {
  return Timestamp(std::chrono::microseconds(microseconds));
}

std::vector<Heading> headings_of(const Collector& collector) {
  std::vector<Heading> out;
  for (const auto& column : collector.columns) {
    out.push_back({std::string(column.name), column.kind});
  }
  return out;
}

}  // namespace

bool Selection::holds(const Source& source) const {
  const auto fits = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  return (collectors.empty() ||
          std::find(collectors.begin(), collectors.end(), source.collector) != collectors.end()) &&
         fits(node, source.node) && fits(database, source.database);
}

// ---- Writing
// -------------------------------------------------------------------------------------

History::History(Store& store, HistoryOptions options)
    : store_(&store), options_(options), generation_(store.generation()) {
  options_.film_samples = std::clamp(options_.film_samples, 1, static_cast<int>(kPlaces));
}

Result<void> History::append(const Sample& sample) {
  auto written = write(sample);
  if (written.has_error()) {
    ++counts_.lost;
    counts_.last_error = written.error();
    return written;
  }
  ++counts_.kept;
  counts_.last_error.reset();
  return written;
}

Result<void> History::write(const Sample& sample) {
  const auto* collector = find_collector(sample.source.collector);
  if (collector == nullptr) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("there is no collector {}", sample.source.collector)};
  }
  auto ready = store_->ready();
  if (ready.has_error()) return ready;
  if (std::exchange(generation_, store_->generation()) != store_->generation()) {
    live_.clear();
    observed_.reset();
  }
  if (!observed_) {
    auto resumed = resume_observed();
    if (resumed.has_error()) {
      store_->failed();
      return resumed;
    }
  }
  observe(sample.at);

  auto& live = live_[sample.source];
  const bool further = goes_on(live, sample);
  auto frame =
      further ? encode(live.picture, sample.rows) : encode(headings_of(*collector), sample.rows);
  if (frame.has_error()) return frame.error();
  const auto keep = [&]() -> Result<void> {
    if (!further) return begin_film(sample, live, frame->bytes);
    auto insert = store_->database().prepare("INSERT INTO sample (id, at, frame) VALUES (?, ?, ?)");
    if (insert.has_error()) return insert.error();
    return insert->bind(1, live.film * kPlaces + live.samples)
        .bind(2, micros(sample.at))
        .bind_bytes(3, frame->bytes)
        .run();
  };
  auto kept = keep();
  if (kept.has_error()) {
    store_->failed();
    // What the file has of this sample is not certain: what comes does not build on it.
    live_.erase(sample.source);
    return kept;
  }
  ++live.samples;
  live.last_at = sample.at;
  live.picture = std::move(frame->picture);
  return {};
}

// A clock that was set back ends a film, so that times rise within each.
bool History::goes_on(const Live& live, const Sample& sample) const {
  return live.film != 0 && live.epoch == sample.epoch && live.samples < options_.film_samples &&
         sample.at >= live.last_at && sample.at - live.first_at < options_.film_span;
}

Result<void> History::begin_film(const Sample& sample, Live& live, const std::string& bytes) {
  auto trimmed = trim();
  if (trimmed.has_error()) return trimmed;
  auto& database = store_->database();
  auto transaction = Transaction::begin(database);
  if (transaction.has_error()) return transaction.error();
  auto source = id_of(sample.source);
  if (source.has_error()) return source.error();
  // Also beyond what samples without a film may have left.
  auto id = database.number(
      "SELECT max(coalesce((SELECT max(id) FROM film), 0),"
      "           coalesce((SELECT max(id) / 4096 FROM sample), 0)) + 1");
  if (id.has_error()) return id.error();
  {
    auto film = database.prepare(
        "INSERT INTO film (id, source, epoch, first_at, observed) VALUES (?, ?, ?, ?, ?)");
    if (film.has_error()) return film.error();
    auto done = film->bind(1, *id)
                    .bind(2, *source)
                    .bind(3, sample.epoch)
                    .bind(4, micros(sample.at))
                    .bind(5, *observed_)
                    .run();
    if (done.has_error()) return done;
    auto first = database.prepare("INSERT INTO sample (id, at, frame) VALUES (?, ?, ?)");
    if (first.has_error()) return first.error();
    done = first->bind(1, *id * kPlaces).bind(2, micros(sample.at)).bind_bytes(3, bytes).run();
    if (done.has_error()) return done;
  }
  auto done = transaction->commit();
  if (done.has_error()) return done;
  live = {.film = *id,
          .samples = 0,
          .epoch = sample.epoch,
          .first_at = sample.at,
          .last_at = sample.at,
          .picture = {}};
  return {};
}

Result<std::int64_t> History::id_of(const Source& source) {
  auto& database = store_->database();
  auto insert = database.prepare(
      "INSERT INTO source (collector, node, database) VALUES (?1, ?2, ?3)"
      " ON CONFLICT (collector, node, database) DO UPDATE SET node = excluded.node"
      " RETURNING id");
  if (insert.has_error()) return insert.error();
  auto row = insert->bind(1, source.collector).bind(2, source.node).bind(3, source.database).step();
  if (row.has_error()) return row.error();
  const auto id = insert->integer(0);
  row = insert->step();
  if (row.has_error()) return row.error();
  return id;
}

// ---- Time, as it was watched
// ---------------------------------------------------------------------

void History::observe(Timestamp at) {
  if (last_at_ && at > *last_at_) {
    *observed_ += std::min<std::chrono::microseconds>(at - *last_at_, kMostObserved).count();
  }
  last_at_ = at;
}

// As far as the newest film goes: what other films have beyond it is some minutes.
Result<void> History::resume_observed() {
  auto observed = store_->database().number(
      "SELECT observed + max(0, coalesce((SELECT at FROM sample WHERE sample.id < (film.id + 1) * "
      "4096"
      "                                   ORDER BY sample.id DESC LIMIT 1), first_at) - first_at)"
      "  FROM film ORDER BY id DESC LIMIT 1");
  if (observed.has_error()) return observed.error();
  observed_ = *observed;
  return {};
}

// ---- Forgetting
// ----------------------------------------------------------------------------------

Result<void> History::trim() {
  for (int i = 0; i < kFilmsAtATime; ++i) {
    auto used = store_->used_bytes();
    if (used.has_error()) return used.error();
    auto deleted = delete_oldest_film(*used > store_->most_used_bytes());
    if (deleted.has_error()) return deleted.error();
    if (!*deleted) break;
    ++counts_.films_deleted;
  }
  return store_->shrink();
}

// Films are numbered as they began. One that began before `retention` may hold samples that are up
// to a film's length younger, so that is added.
Result<bool> History::delete_oldest_film(bool any_age) {
  auto& database = store_->database();
  auto oldest = database.prepare("SELECT id, observed FROM film ORDER BY id LIMIT 1");
  if (oldest.has_error()) return oldest.error();
  auto row = oldest->step();
  if (row.has_error()) return row.error();
  if (!*row) return false;
  const auto id = oldest->integer(0);
  const auto age = std::chrono::microseconds(*observed_ - oldest->integer(1));
  if (!any_age && age <= options_.retention + options_.film_span) return false;
  oldest->reset();

  auto transaction = Transaction::begin(database);
  if (transaction.has_error()) return transaction.error();
  auto done = database.run(fmt::format(
      "DELETE FROM sample WHERE id < {}; DELETE FROM film WHERE id = {}", (id + 1) * kPlaces, id));
  if (done.has_error()) return done.error();
  done = transaction->commit();
  if (done.has_error()) return done.error();
  // Where there is room for next to nothing, it may be one that goes on.
  std::erase_if(live_, [&](const auto& entry) { return entry.second.film == id; });
  return true;
}

// ---- Reading
// -------------------------------------------------------------------------------------

Result<std::vector<SourceSummary>> History::sources() {
  auto statement = store_->database().prepare(
      "SELECT source.collector, source.node, source.database, count(*), count(DISTINCT film.id),"
      "       sum(length(sample.frame)), min(sample.at), max(sample.at)"
      "  FROM source JOIN film ON film.source = source.id"
      "  JOIN sample ON sample.id >= film.id * 4096 AND sample.id < (film.id + 1) * 4096"
      " GROUP BY source.id ORDER BY 1, 2, 3");
  if (statement.has_error()) return statement.error();
  std::vector<SourceSummary> out;
  while (true) {
    auto row = statement->step();
    if (row.has_error()) {
      store_->failed();
      return row.error();
    }
    if (!*row) return out;
    out.push_back({.source = {statement->text(0), statement->text(1), statement->text(2)},
                   .samples = statement->integer(3),
                   .films = statement->integer(4),
                   .bytes = statement->integer(5),
                   .first = timestamp(statement->integer(6)),
                   .last = timestamp(statement->integer(7))});
  }
}

Result<HistoryCursor> History::tracks_of(const Selection& selection) {
  HistoryCursor cursor(*store_, selection);
  auto statement = store_->database().prepare(
      "SELECT source.collector, source.node, source.database, film.id, film.epoch, film.first_at"
      "  FROM source JOIN film ON film.source = source.id"
      " WHERE film.first_at <= ?2"
      // Times rise within a film: its last sample is its newest.
      "   AND ?1 <= (SELECT at FROM sample WHERE sample.id < (film.id + 1) * 4096"
      "               ORDER BY sample.id DESC LIMIT 1)"
      " ORDER BY 1, 2, 3, film.id DESC");
  if (statement.has_error()) return statement.error();
  statement->bind(1, micros(selection.from)).bind(2, micros(selection.to));
  while (true) {
    auto row = statement->step();
    if (row.has_error()) {
      store_->failed();
      return row.error();
    }
    if (!*row) return cursor;
    Source source{statement->text(0), statement->text(1), statement->text(2)};
    if (!selection.holds(source)) continue;
    auto& tracks = cursor.tracks_;
    if (tracks.empty() || tracks.back().sample.source != source) {
      tracks.emplace_back().sample.source = std::move(source);
    }
    tracks.back().films.push_back(
        {statement->integer(3), statement->integer(4), timestamp(statement->integer(5))});
  }
}

Result<HistoryCursor> History::read(const Selection& selection) {
  auto cursor = tracks_of(selection);
  if (cursor.has_error()) return cursor.error();
  for (auto& track : cursor->tracks_) {
    auto advanced = cursor->advance(track);
    if (advanced.has_error()) return advanced.error();
  }
  return cursor;
}

Result<std::vector<KeptSample>> History::latest(const Selection& selection) {
  auto cursor = tracks_of(
      {.collectors = selection.collectors, .node = selection.node, .database = selection.database});
  if (cursor.has_error()) return cursor.error();
  std::vector<KeptSample> out;
  for (auto& track : cursor->tracks_) {
    track.films.resize(1);  // the newest
    std::optional<KeptSample> found;
    do {
      auto advanced = cursor->advance(track);
      if (advanced.has_error()) return advanced.error();
      if (track.has_sample) found = track.sample;
    } while (track.has_sample);
    if (found) out.push_back(*std::move(found));
  }
  return out;
}

Result<const KeptSample*> HistoryCursor::next() {
  if (given_ != nullptr) {
    auto advanced = advance(*given_);
    if (advanced.has_error()) return advanced.error();
  }
  given_ = nullptr;
  for (auto& track : tracks_) {
    if (!track.has_sample) continue;
    if (given_ == nullptr || track.sample.at < given_->sample.at) given_ = &track;
  }
  return given_ == nullptr ? nullptr : &given_->sample;
}

// The last of the films that begin so soon stands for those before it, and for the rest of this
// one.
void HistoryCursor::leave_out(Track& track) const {
  if (step_.count() <= 0 || track.sample.at < from_) return;
  const auto soon = [&](const Film& film) {
    return film.first_at >= track.sample.at && film.first_at <= track.sample.at + step_;
  };
  while (!track.films.empty() && soon(track.films.back())) {
    if (track.films.size() > 1 && soon(*std::prev(track.films.end(), 2))) {
      track.films.pop_back();
      continue;
    }
    track.left = 0;
    break;
  }
}

// To the track's next sample within the time.
Result<void> HistoryCursor::advance(Track& track) {
  if (std::exchange(track.has_sample, false)) leave_out(track);
  auto statement = store_->database().prepare("SELECT at, frame FROM sample WHERE id = ?");
  if (statement.has_error()) return statement.error();
  while (true) {
    const bool first = track.left == 0;
    if (first) {
      if (track.films.empty()) return {};
      const auto film = track.films.back();
      track.films.pop_back();
      track.next_id = film.id * kPlaces;
      track.left = kPlaces;
      track.sample.epoch = film.epoch;
    }
    statement->reset();
    auto row = statement->bind(1, track.next_id).step();
    if (row.has_error()) {
      store_->failed();
      return row.error();
    }
    if (!*row || statement->integer(0) > micros(to_)) {
      track.left = 0;
      continue;
    }
    auto picture = first ? decode(statement->bytes(1))
                         : decode(std::move(track.sample.picture), statement->bytes(1));
    if (picture.has_error()) {
      ++damaged_;
      track.left = 0;
      continue;
    }
    ++track.next_id;
    --track.left;
    track.sample.at = timestamp(statement->integer(0));
    track.sample.picture = *std::move(picture);
    if (track.sample.at < from_) continue;
    track.has_sample = true;
    return {};
  }
}

void History::present(
    const std::function<void(const Source&, Timestamp, std::int64_t, const Picture&)>& tell) const {
  for (const auto& [source, live] : live_) {
    if (live.film != 0) tell(source, live.last_at, live.epoch, live.picture);
  }
}

}  // namespace lyceum::watch
