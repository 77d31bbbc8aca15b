#include "indexes/inventory.h"

#include <algorithm>

namespace lyceum::indexes {
namespace {

bool covers(const ExistingIndex& wide, const ExistingIndex& narrow) {
  if (wide.oid == narrow.oid || wide.table_oid != narrow.table_oid || !wide.valid) return false;
  if (wide.method != "btree" || narrow.method != "btree") return false;
  if (wide.predicate != narrow.predicate || wide.keys.size() < narrow.keys.size()) return false;
  if (!std::equal(narrow.keys.begin(), narrow.keys.end(), wide.keys.begin())) return false;
  const bool same_keys = wide.keys.size() == narrow.keys.size();
  if (narrow.unique) {
    if (!same_keys || !wide.unique || wide.nulls_not_distinct != narrow.nulls_not_distinct) {
      return false;
    }
  }
  const auto has = [&wide](const std::string& column) {
    return std::find(wide.included.begin(), wide.included.end(), column) != wide.included.end() ||
           std::any_of(wide.keys.begin(), wide.keys.end(),
                       [&column](const IndexKey& key) { return key.definition == column; });
  };
  return std::all_of(narrow.included.begin(), narrow.included.end(), has);
}

// Of two that cover each other only one may go: the one that is needed less, else the younger.
bool goes_first(const ExistingIndex& a, const ExistingIndex& b) {
  if (a.needed_beyond_speed() != b.needed_beyond_speed()) return !a.needed_beyond_speed();
  if (a.unique != b.unique) return !a.unique;
  return a.oid > b.oid;
}

}  // namespace

std::string_view name_of(Usage usage) {
  switch (usage) {
    case Usage::never:
      return "never";
    case Usage::rarely:
      return "rarely";
    case Usage::moderately:
      return "moderately";
    case Usage::frequently:
      return "frequently";
  }
  return "never";
}

const ExistingIndex* Inventory::find(std::string_view schema, std::string_view name) const {
  const auto found = std::find_if(indexes.begin(), indexes.end(), [&](const auto& index) {
    return index.schema == schema && index.name == name;
  });
  return found == indexes.end() ? nullptr : &*found;
}

const ExistingIndex* Inventory::find(Oid oid) const {
  const auto found = std::find_if(indexes.begin(), indexes.end(),
                                  [oid](const auto& index) { return index.oid == oid; });
  return found == indexes.end() ? nullptr : &*found;
}

const TableFacts* Inventory::table(std::string_view schema_as_declared,
                                   std::string_view name) const {
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const auto& table) {
    return table.schema_as_declared == schema_as_declared && table.name == name;
  });
  return found == tables.end() ? nullptr : &*found;
}

std::vector<Redundancy> find_redundant(std::span<const ExistingIndex> indexes) {
  std::vector<Redundancy> out;
  for (const auto& narrow : indexes) {
    if (narrow.needed_beyond_speed() || !narrow.valid) continue;
    const ExistingIndex* best = nullptr;
    for (const auto& wide : indexes) {
      if (!covers(wide, narrow) || (covers(narrow, wide) && !goes_first(narrow, wide))) continue;
      // The narrowest of those that cover it costs a scan the least.
      if (best == nullptr || wide.keys.size() < best->keys.size()) best = &wide;
    }
    if (best == nullptr) continue;
    out.push_back({narrow.schema, narrow.name, best->name, narrow.bytes, covers(narrow, *best)});
  }
  return out;
}

}  // namespace lyceum::indexes
