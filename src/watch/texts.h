#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "watch/text.h"

namespace lyceum::watch {

// What does not change from one sample to the next and costs much to tell: texts of statements,
// definitions of indexes. Asked for when new, and once more after `keep`, since a column may have
// been renamed; forgotten when no longer in a sample, which bounds it.
class Texts {
 public:
  explicit Texts(Duration keep = std::chrono::hours(6)) : keep_(keep) {}

  // Null where there is none.
  [[nodiscard]] const Text* find(std::int64_t key) const;
  // Which of these are to be asked for, once each: the new ones, then the old.
  [[nodiscard]] std::vector<std::int64_t> wanted(const std::vector<std::int64_t>& keys,
                                                 SteadyTime now) const;
  // Without a text: the server has none, and is asked again after `keep`.
  void put(std::int64_t key, std::optional<Text> text, SteadyTime now);
  void keep_only(const std::vector<std::int64_t>& keys);
  [[nodiscard]] std::size_t size() const { return texts_.size(); }

 private:
  struct Known {
    std::optional<Text> text;
    SteadyTime since;
  };
  Duration keep_;
  std::unordered_map<std::int64_t, Known> texts_;
};

}  // namespace lyceum::watch
