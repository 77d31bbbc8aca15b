#include "watch/voices.h"

#include "watch/collector.h"
#include "watch/value.h"

namespace lyceum::watch {

void Voices::note(const Sample& sample) {
  if (sample.source.collector != "server" || sample.rows.empty()) return;
  static const auto column =
      static_cast<std::size_t>(find_collector("server")->position("in_recovery"));
  const auto recovering = number_of(sample.rows[0].at(column));
  if (!recovering) return;
  recovering_[sample.source.node] = *recovering != 0;
  if (*recovering == 0) primary_ = sample.source.node;
}

std::optional<std::string> Voices::speaks_for(const Source& source) {
  const auto known = recovering_.find(source.node);
  if (known == recovering_.end()) return source.node;
  auto& turns = turns_[{source.collector, source.database}];
  constexpr int kPatience = 2;
  const bool primary = !known->second;
  if (!primary && source.node != turns.voice && ++turns.came[source.node] < kPatience) {
    return std::nullopt;
  }
  turns.voice = source.node;
  turns.came.clear();
  return primary || primary_.empty() ? source.node : primary_;
}

}  // namespace lyceum::watch
