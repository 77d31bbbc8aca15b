#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "watch/frame.h"
#include "watch/sample.h"
#include "watch/store.h"

namespace lyceum::watch {

struct HistoryOptions {
  // How long a sample is kept, in time that was watched: what the clock jumps over does not age it,
  // nor does the time when nobody watched. The store's size may end it before.
  Duration retention = std::chrono::hours(7 * 24);
  // A film ends after so many samples or so much time: what has to be read to see its last sample,
  // and what is deleted at once when it is old.
  int film_samples = 360;  // at most 4096
  Duration film_span = std::chrono::hours(4);
};

// Which samples: empty names are any.
struct Selection {
  std::vector<std::string> collectors = {};
  std::string node = {};
  std::string database = {};
  Timestamp from = Timestamp::min();
  Timestamp to = Timestamp::max();  // both included
  // Films that begin within this after a sample that was given may be left out, so that little is
  // read of a long time. The newest one before `to` never is.
  std::chrono::microseconds step{};

  [[nodiscard]] bool holds(const Source& source) const;
};

// A sample as it was kept. Its headings are those of when it was written.
struct KeptSample {
  Source source;
  Timestamp at{};
  std::int64_t epoch = 0;
  Picture picture;
};

// What is known of a source without reading its samples.
struct SourceSummary {
  Source source;
  std::int64_t samples = 0;
  std::int64_t films = 0;
  std::int64_t bytes = 0;  // of its frames
  Timestamp first{};       // by arrival
  Timestamp last{};
};

// Samples one after the other. It holds no lock between calls: the service goes on writing, and a
// film that is deleted meanwhile just ends.
class HistoryCursor {
 public:
  // The next sample, ordered by time over all sources; one source's samples as they arrived, which
  // is not the order of their times where the clock was set back. Nothing: that was the last. A
  // film with a damaged frame ends before it, and is counted.
  [[nodiscard]] Result<const KeptSample*> next();
  [[nodiscard]] std::size_t damaged() const { return damaged_; }

 private:
  friend class History;
  struct Film {
    std::int64_t id = 0;
    std::int64_t epoch = 0;
    Timestamp first_at{};
  };
  struct Track {
    std::vector<Film> films;  // the last comes next
    std::int64_t next_id = 0;
    std::int64_t left = 0;  // of the film that is read, at most
    bool has_sample = false;
    KeptSample sample;
  };
  HistoryCursor(Store& store, const Selection& selection)
      : store_(&store), from_(selection.from), to_(selection.to), step_(selection.step) {}
  Result<void> advance(Track& track);
  void leave_out(Track& track) const;

  Store* store_;
  Timestamp from_;
  Timestamp to_;
  std::chrono::microseconds step_;
  std::vector<Track> tracks_;
  Track* given_ = nullptr;
  std::size_t damaged_ = 0;
};

// What the collectors read, kept. One thread at a time uses it. Memory: the last picture of each
// source that is written to.
class History {
 public:
  explicit History(Store& store, HistoryOptions options = {});

  // Keeps a sample: one INSERT, and every now and then the deletion of a few old films. Upon an
  // error the sample is lost and nothing else; the next one of its source begins with a key frame.
  // Errors: kIo for a full disk or a broken file (see Store), kBadInput for a sample whose rows do
  // not fit its collector's columns, or that is too large.
  [[nodiscard]] Result<void> append(const Sample& sample);

  [[nodiscard]] Result<std::vector<SourceSummary>> sources();
  [[nodiscard]] Result<HistoryCursor> read(const Selection& selection);
  // The last sample that arrived of each source; the selection's times do not count.
  [[nodiscard]] Result<std::vector<KeptSample>> latest(const Selection& selection);

  // The last sample of each source that was kept since this was made, without reading the file.
  void present(const std::function<void(const Source&, Timestamp, std::int64_t epoch,
                                        const Picture&)>& tell) const;

  // Since this was made.
  struct Counts {
    std::uint64_t kept = 0;
    std::uint64_t lost = 0;
    std::uint64_t films_deleted = 0;
    std::optional<Error> last_error = {};  // nothing once a sample was kept again
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] Store& store() { return *store_; }

 private:
  struct Live {
    std::int64_t film = 0;  // 0: the next sample begins one
    std::int64_t samples = 0;
    std::int64_t epoch = 0;
    Timestamp first_at{};
    Timestamp last_at{};
    Picture picture;
  };
  Result<void> write(const Sample& sample);
  Result<HistoryCursor> tracks_of(const Selection& selection);
  Result<void> begin_film(const Sample& sample, Live& live, const std::string& bytes);
  Result<std::int64_t> id_of(const Source& source);
  Result<void> resume_observed();
  Result<void> trim();
  Result<bool> delete_oldest_film(bool any_age);
  [[nodiscard]] bool goes_on(const Live& live, const Sample& sample) const;
  void observe(Timestamp at);

  Store* store_;
  HistoryOptions options_;
  std::uint64_t generation_;  // of the store that `live_` is of
  std::map<Source, Live> live_;
  Counts counts_;
  std::optional<std::int64_t> observed_;  // microseconds; nothing: to be read from the file
  std::optional<Timestamp> last_at_;      // of whatever source
};

}  // namespace lyceum::watch
