#include "indexes/journal.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

#include "indexes/index_statement.h"

namespace lyceum::indexes {
namespace {

constexpr std::array<std::pair<BuildState, std::string_view>, 6> kStates{{
    {BuildState::building, "building"},
    {BuildState::built, "built"},
    {BuildState::swapped, "swapped"},
    {BuildState::done, "done"},
    {BuildState::failed, "failed"},
    {BuildState::abandoned, "abandoned"},
}};

constexpr std::size_t kMaxName = 63;

// FNV-1a (Fowler, Noll, Vo), 32 bits: short names stay readable, long ones stay different.
std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 16777619U;
  }
  return hash;
}

std::string with_suffix(std::string_view name, std::string_view suffix) {
  if (name.size() + suffix.size() <= kMaxName) return std::string(name) + std::string(suffix);
  const auto mark = fmt::format("_{:08x}{}", hash_of(name), suffix);
  auto keep = kMaxName - mark.size();
  // Not within a character of several bytes.
  while (keep > 0 && (static_cast<unsigned char>(name[keep]) & 0xC0U) == 0x80U) --keep;
  return std::string(name.substr(0, keep)) + mark;
}

const ExistingIndex* find_made(const BuildRecord& record, const Inventory& inventory) {
  for (const auto& index : inventory.indexes) {
    if (made_by(record, index)) return &index;
  }
  return nullptr;
}

}  // namespace

std::string_view name_of(BuildState state) {
  for (const auto& [each, name] : kStates) {
    if (each == state) return name;
  }
  return "failed";
}

std::optional<BuildState> parse_build_state(std::string_view name) {
  for (const auto& [state, each] : kStates) {
    if (each == name) return state;
  }
  return std::nullopt;
}

std::string_view name_of(RecoveryKind kind) {
  switch (kind) {
    case RecoveryKind::drop_wreck:
      return "drop_wreck";
    case RecoveryKind::drop_replaced:
      return "drop_replaced";
    case RecoveryKind::note_built:
      return "note_built";
    case RecoveryKind::note_done:
      return "note_done";
    case RecoveryKind::note_abandoned:
      return "note_abandoned";
  }
  return "note_done";
}

std::string building_name(std::string_view name) {
  return with_suffix(name, "_lyceum_new");
}
std::string retired_name(std::string_view name) {
  return with_suffix(name, "_lyceum_old");
}

bool made_by(const BuildRecord& record, const ExistingIndex& index) {
  if (record.state == BuildState::abandoned) return false;
  if (record.index_oid != 0) return record.index_oid == index.oid;
  if (record.state != BuildState::building) return false;
  if (index.schema != record.schema || index.name != record.build_name ||
      index.table_oid != record.table_oid) {
    return false;
  }
  const auto ours = parse_index_definition(record.declared);
  const auto found = parse_index_definition(index.definition);
  return ours && found && ours->loose_shape == found->loose_shape;
}

bool is_own_wreck(std::span<const BuildRecord> journal, const ExistingIndex& index) {
  if (index.valid || index.building_process != 0) return false;
  return std::any_of(journal.begin(), journal.end(), [&index](const BuildRecord& record) {
    const bool open = record.state == BuildState::building || record.state == BuildState::failed ||
                      record.state == BuildState::built;
    return open && made_by(record, index);
  });
}

std::vector<RecoveryStep> recover(std::span<const BuildRecord> journal,
                                  const Inventory& inventory) {
  std::vector<RecoveryStep> out;
  for (const auto& record : journal) {
    const bool wreck_possible = record.state == BuildState::failed && record.index_oid != 0;
    if (!record.is_unfinished() && !wreck_possible) continue;
    const auto step = [&](RecoveryKind kind, const ExistingIndex* index) {
      RecoveryStep made{kind, record.id, record.name, 0, record.schema, {}};
      if (index != nullptr) {
        made.index_oid = index->oid;
        made.schema = index->schema;
        made.index = index->name;
      }
      out.push_back(std::move(made));
    };

    if (record.state == BuildState::swapped) {
      const auto* replaced = inventory.find(record.replaced_oid);
      const bool there = record.replaced_oid != 0 && replaced != nullptr;
      step(there ? RecoveryKind::drop_replaced : RecoveryKind::note_done, replaced);
      continue;
    }
    const auto* made = find_made(record, inventory);
    if (made != nullptr && made->building_process != 0) continue;
    if (made != nullptr && !made->valid) {
      step(RecoveryKind::drop_wreck, made);
    } else if (record.state == BuildState::failed) {
      continue;  // seen to the end already
    } else if (made == nullptr) {
      step(RecoveryKind::note_abandoned, nullptr);
    } else if (record.is_replacement() && made->name == record.build_name) {
      if (record.state != BuildState::built) step(RecoveryKind::note_built, made);
    } else {
      step(RecoveryKind::note_done, made);
    }
  }
  return out;
}

}  // namespace lyceum::indexes
