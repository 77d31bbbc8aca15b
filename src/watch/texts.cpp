#include "watch/texts.h"

#include <unordered_set>

namespace lyceum::watch {

const Text* Texts::find(std::int64_t key) const {
  const auto found = texts_.find(key);
  return found == texts_.end() || !found->second.text ? nullptr : &*found->second.text;
}

std::vector<std::int64_t> Texts::wanted(const std::vector<std::int64_t>& keys,
                                        SteadyTime now) const {
  std::vector<std::int64_t> out, old;
  std::unordered_set<std::int64_t> taken;
  for (const auto key : keys) {
    if (!taken.insert(key).second) continue;
    const auto found = texts_.find(key);
    if (found == texts_.end()) {
      out.push_back(key);
    } else if (now - found->second.since >= keep_) {
      old.push_back(key);
    }
  }
  out.insert(out.end(), old.begin(), old.end());
  return out;
}

void Texts::put(std::int64_t key, std::optional<Text> text, SteadyTime now) {
  texts_[key] = {std::move(text), now};
}

void Texts::keep_only(const std::vector<std::int64_t>& keys) {
  const std::unordered_set<std::int64_t> present(keys.begin(), keys.end());
  std::erase_if(texts_, [&](const auto& one) { return !present.contains(one.first); });
}

}  // namespace lyceum::watch
