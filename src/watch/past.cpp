#include "watch/past.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "watch/value.h"

namespace lyceum::watch {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::chrono::microseconds window_of(const Track& track) {
  return std::chrono::duration_cast<std::chrono::microseconds>(track.window);
}

// Rises alone are asked for: the marks that all rows share are enough.
bool is_rise(const Track& track) {
  return track.counts && !track.within;
}

// How many are not needed any more: the newest that is old enough stays, for it is what a rise is
// measured from.
template <class Moments, class At>
std::size_t unneeded(const Moments& moments, Timestamp since, At at) {
  std::size_t count = 0;
  while (count + 1 < moments.size() && at(moments[count + 1]) <= since) ++count;
  return count;
}

}  // namespace

void SourcePast::begin(Timestamp at, bool new_epoch) {
  at_ = at;
  new_epoch_ = new_epoch;
  ++samples_;
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const auto& track = (*tracks_)[i];
    auto& marks = marks_[i];
    marks.opened = false;
    marks.dropped = 0;
    if (!is_rise(track)) continue;
    const auto window = window_of(track);
    if (!marks.at.empty() && at - marks.at.back() < window / kStretches) continue;
    marks.opened = true;
    marks.at.push_back(at);
    marks.dropped = unneeded(marks.at, at - window, [](Timestamp one) { return one; });
    marks.at.erase(marks.at.begin(), marks.at.begin() + static_cast<std::ptrdiff_t>(marks.dropped));
  }
}

const Past* SourcePast::note(std::size_t name, const Row& row) {
  if (tracks_->empty()) return nullptr;
  const auto [found, is_new] = rows_.try_emplace(name);
  auto& kept = found->second;
  if (is_new) {
    for (const auto& track : *tracks_) {
      if (is_rise(track)) {
        kept.counters.emplace_back();
      } else {
        kept.stretches.emplace_back();
      }
    }
  }
  kept.seen = samples_;
  std::size_t counters = 0, stretches = 0;
  for (std::size_t i = 0; i < tracks_->size(); ++i) {
    const auto& track = (*tracks_)[i];
    const auto column = static_cast<std::size_t>(track.column);
    const auto value = column < row.size() ? number_of(row[column]) : std::nullopt;
    if (is_rise(track)) {
      count(marks_[i], kept.counters[counters++], value);
    } else {
      auto& past = kept.stretches[stretches++];
      if (value) stretch(track, past, *value);
    }
  }
  view_.source = this;
  view_.kept = &kept;
  return &view_;
}

void SourcePast::count(const Marks& marks, Counter& counter, std::optional<double> value) {
  const bool anew = new_epoch_ || (value && counter.known && *value < counter.last);
  if (anew) {
    counter.first.clear();
    counter.still = 0;
    counter.known = false;
  }
  const bool moved = value && counter.known && *value != counter.last;
  // It stood still up to now, or something is missing: its marks are written out.
  if ((moved || (!value && marks.opened)) && counter.still > 0) {
    counter.first.assign(std::exchange(counter.still, 0), counter.last);
  }
  if (value) {
    counter.last = *value;
    counter.known = true;
  }
  if (!marks.opened) return;
  if (counter.first.empty() && value) {
    ++counter.still;
  } else if (!counter.first.empty() || value) {
    counter.first.push_back(value.value_or(kMissing));
  }
  const auto most = marks.at.size();
  counter.still = static_cast<std::uint32_t>(std::min<std::size_t>(counter.still, most));
  if (counter.first.size() > most) {
    counter.first.erase(counter.first.begin(),
                        counter.first.end() - static_cast<std::ptrdiff_t>(most));
  }
  // It stands still again. A counter only rises: where the ends are the same, all is.
  if (!counter.first.empty() && counter.first.front() == counter.last &&
      std::none_of(counter.first.begin(), counter.first.end(),
                   [](double one) { return std::isnan(one); })) {
    counter.still = static_cast<std::uint32_t>(counter.first.size());
    std::vector<double>().swap(counter.first);
  }
}

void SourcePast::stretch(const Track& track, std::vector<Stretch>& past, double value) const {
  const bool anew = !past.empty() && track.counts && (new_epoch_ || value < past.back().last);
  if (!past.empty() && !anew && at_ - past.back().at < window_of(track) / kStretches) {
    auto& last = past.back();
    last.last = value;
    last.low = std::min(last.low, value);
    last.high = std::max(last.high, value);
    last.sum += value;
    last.count += 1;
    return;
  }
  past.push_back({.at = at_,
                  .first = value,
                  .last = value,
                  .low = value,
                  .high = value,
                  .sum = value,
                  .count = 1,
                  .anew = anew});
  const auto old =
      unneeded(past, at_ - window_of(track), [](const Stretch& one) { return one.at; });
  past.erase(past.begin(), past.begin() + static_cast<std::ptrdiff_t>(old));
}

void SourcePast::end() {
  std::erase_if(rows_, [&](const auto& one) { return one.second.seen != samples_; });
}

void SourcePast::move(std::chrono::microseconds by) {
  for (auto& marks : marks_) {
    for (auto& at : marks.at) at += by;
  }
  for (auto& [name, kept] : rows_) {
    for (auto& past : kept.stretches) {
      for (auto& one : past) one.at += by;
    }
  }
}

void SourcePast::clear() {
  rows_.clear();
  for (auto& marks : marks_) marks.at.clear();
}

std::span<const Stretch> SourcePast::View::of(int column) const {
  std::size_t counters = 0, stretches = 0;
  for (std::size_t i = 0; i < source->tracks_->size(); ++i) {
    const auto& track = (*source->tracks_)[i];
    const auto rise = is_rise(track);
    const auto at = rise ? counters++ : stretches++;
    if (track.column != column) continue;
    if (!rise) return kept->stretches[at];
    const auto& counter = kept->counters[at];
    const auto& marks = source->marks_[i].at;
    const auto count = counter.still > 0 ? counter.still : counter.first.size();
    made.clear();
    for (std::size_t k = 0; k < count; ++k) {
      const auto first = counter.still > 0 ? counter.last : counter.first[k];
      if (!std::isnan(first)) {
        made.push_back({.at = marks[marks.size() - count + k], .first = first, .last = first});
      }
    }
    return made;
  }
  return {};
}

}  // namespace lyceum::watch
