#include "watch/verdict_json.h"

#include "watch/value_json.h"

namespace lyceum::watch {

boost::json::object verdict_json(const Verdict& verdict) {
  boost::json::object labels;
  for (const auto& [name, value] : verdict.labels) labels[name] = valid_utf8(value);
  return {{"rule", verdict.rule},
          {"severity", name_of(verdict.severity)},
          {"node", verdict.node},
          {"database", valid_utf8(verdict.database)},
          {"labels", std::move(labels)},
          {"value", verdict.value ? json_of(*verdict.value) : boost::json::value(nullptr)},
          {"summary", valid_utf8(verdict.summary)},
          {"why", verdict.why},
          {"mend", valid_utf8(verdict.mend)}};
}

}  // namespace lyceum::watch
