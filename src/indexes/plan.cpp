#include "indexes/plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace lyceum::indexes {
namespace {

struct Wanted {
  std::string tail;
  std::string renewal;  // why an existing rolling index is due; empty where it is not
};

// The declared tail, as of today, or with an existing index's dates where those still do.
Wanted wanted_tail(const DeclaredIndex& declared, const IndexStatement* existing, Date today) {
  Wanted fresh{declared.tail_on(today), {}};
  if (!declared.is_rolling() || existing == nullptr) return fresh;
  if (existing->temporal.size() != declared.statement.temporal.size()) return fresh;
  std::vector<std::string> literals;
  for (const auto& rolling : declared.rolling) {
    const auto& value = existing->temporal[rolling.constant].value;
    const auto date = parse_literal_date(value);
    if (!date) return fresh;
    const auto age = today - *date;
    if (age < rolling.span || age > 2 * rolling.span) {
      fresh.renewal = fmt::format(
          "it holds {} days, since {}; a rolling index of {} days is renewed once it holds more "
          "than {} or less than {}",
          age.count(), value.substr(0, 10), rolling.span.count(), 2 * rolling.span.count(),
          rolling.span.count());
      return fresh;
    }
    literals.push_back(value);
  }
  return {declared.tail_with(literals), {}};
}

std::string kind_name(char kind) {
  switch (kind) {
    case 'p':
      return "a partitioned table";
    case 'v':
      return "a view";
    case 'f':
      return "a foreign table";
    case 'S':
      return "a sequence";
    case 'c':
      return "a type";
    case 'r':
      return "a table";
    case 'm':
      return "a materialized view";
    default:
      return "another relation";
  }
}

// One declared index beside what there is.
class Comparison {
 public:
  Comparison(const DeclaredIndex& declared, const Observation& observation, Date today)
      : declared_(declared), observation_(observation) {
    table_ = observation.inventory.table(declared.statement.schema, declared.statement.table);
    if (table_ != nullptr && table_->oid == 0) table_ = nullptr;
    if (table_ != nullptr) existing_ = observation.inventory.find(table_->schema, declared.name());
    if (existing_ != nullptr) {
      if (auto parsed = parse_index_definition(existing_->definition)) parsed_ = std::move(*parsed);
    }
    wanted_ = wanted_tail(declared, parsed_ ? &*parsed_ : nullptr, today);
  }

  // What can be said without the server: nothing where it has to be asked.
  [[nodiscard]] bool settled() const {
    return table_ == nullptr || !has_indexable_kind() || name_taken() || same_without_server();
  }

  [[nodiscard]] Question question() const {
    return {declared_.name(), table_->schema, table_->name, &declared_, wanted_.tail};
  }

  [[nodiscard]] PlannedIndex planned() const {
    PlannedIndex out;
    out.declared = declared_;
    out.tail = wanted_.tail;
    if (table_ != nullptr) {
      out.schema = table_->schema;
      out.table_oid = table_->oid;
    }
    if (existing_ != nullptr) out.existing = *existing_;
    judge(out);
    if (out.standing != Standing::same) out.obstacle = obstacle();
    return out;
  }

 private:
  void judge(PlannedIndex& out) const {
    const auto unbuildable = [&out](std::string reason) {
      out.standing = Standing::unbuildable;
      out.reason = std::move(reason);
    };
    const auto table_name = quoted_name(declared_.statement.schema, declared_.statement.table);
    if (table_ == nullptr) {
      return unbuildable(
          fmt::format("the table {} ({}) does not exist: apply the migrations, or "
                      "check the search path",
                      table_name, declared_.place()));
    }
    if (!has_indexable_kind()) {
      return unbuildable(
          fmt::format("{} is {}; indexes are built concurrently only on tables and "
                      "materialized views",
                      table_name, kind_name(table_->kind)));
    }
    if (const auto taken = name_taken()) {
      return unbuildable(fmt::format("the name is taken by {}: rename or remove it", *taken));
    }
    const auto* view = this->view();
    if (existing_ == nullptr) {
      if (view != nullptr && view->error) return unbuildable(refusal(*view->error));
      out.standing = Standing::missing;
      out.confirmed = view != nullptr;
      if (view != nullptr) out.defined_alike = find_alike(*view);
      return;
    }
    if (!existing_->valid) return judge_invalid(out);
    judge_valid(out, view);
  }

  void judge_invalid(PlannedIndex& out) const {
    out.standing = Standing::invalid;
    if (existing_->building_process != 0) {
      out.reason = fmt::format("process {} is building it just now", existing_->building_process);
      return;
    }
    out.ours = is_own_wreck(observation_.journal, *existing_);
    out.reason = out.ours ? "an interrupted build of ours left it incomplete; apply drops it and "
                            "builds it anew"
                          : fmt::format(
                                "a build that is not ours left it incomplete, and it still "
                                "costs writes; look at it, then DROP INDEX CONCURRENTLY {}",
                                quoted_name(existing_->schema, existing_->name));
  }

  void judge_valid(PlannedIndex& out, const ServerView* view) const {
    if (same_without_server()) {
      out.standing = Standing::same;
      return;
    }
    if (!parsed_) {
      out.standing = Standing::unbuildable;
      out.reason = fmt::format("an index of that name is there and cannot be compared: {}",
                               existing_->definition);
      return;
    }
    if (view != nullptr && view->error) {
      out.standing = Standing::unbuildable;
      out.reason = refusal(*view->error);
      return;
    }
    std::string wanted = wanted_.tail;
    bool same = false;
    if (view != nullptr) {
      const auto made = parse_index_definition(view->definition);
      same = made && made->shape == parsed_->shape;
      if (made) wanted = made->tail;
    } else {
      out.confirmed = false;
      const auto declared = wanted_statement();
      same = declared && declared->loose_shape == parsed_->loose_shape;
    }
    if (same) {
      out.standing = Standing::same;
      return;
    }
    out.standing = Standing::different;
    out.reason = !wanted_.renewal.empty()
                     ? wanted_.renewal
                     : fmt::format("it is {}{}, wanted is {}{}", parsed_->unique ? "unique " : "",
                                   trimmed(parsed_->tail),
                                   declared_.statement.unique ? "unique " : "", trimmed(wanted));
    if (existing_->needed_beyond_speed()) {
      out.standing = Standing::unbuildable;
      out.reason += existing_->constraint.empty()
                        ? "; the one there identifies rows for replication or belongs to a "
                          "partitioned index, so it cannot be replaced"
                        : fmt::format(
                              "; the one there serves the constraint {}, so only a "
                              "migration can change it",
                              quoted_name(existing_->constraint));
    }
  }

  static std::string trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string() : std::string(text.substr(first));
  }

  [[nodiscard]] const ServerView* view() const {
    const auto found = observation_.views.find(declared_.name());
    return found == observation_.views.end() ? nullptr : &found->second;
  }

  [[nodiscard]] std::string refusal(const Error& error) const {
    return fmt::format("{}: the server refuses the declaration: {}{}", declared_.place(),
                       error.message,
                       error.sqlstate.empty() ? "" : fmt::format(" (SQLSTATE {})", error.sqlstate));
  }

  [[nodiscard]] bool has_indexable_kind() const {
    return table_->kind == 'r' || table_->kind == 'm';
  }

  [[nodiscard]] std::optional<std::string> name_taken() const {
    if (existing_ != nullptr) {
      if (existing_->table_oid == table_->oid) return std::nullopt;
      return fmt::format("an index of the table {}",
                         quoted_name(existing_->table_schema, existing_->table));
    }
    for (const auto& other : observation_.inventory.other_relations) {
      if (other.schema == table_->schema && other.name == declared_.name()) {
        return kind_name(other.kind);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<IndexStatement> wanted_statement() const {
    auto parsed = parse_index_definition(create_index_sql(declared_.statement, declared_.name(),
                                                          quoted_name(declared_.statement.table),
                                                          wanted_.tail, false));
    if (!parsed) return std::nullopt;
    return std::move(*parsed);
  }

  [[nodiscard]] bool same_without_server() const {
    if (existing_ == nullptr || !existing_->valid || !parsed_ || !wanted_.renewal.empty()) {
      return false;
    }
    const auto wanted = wanted_statement();
    if (!wanted) return false;
    if (wanted->shape == parsed_->shape) return true;
    return std::any_of(observation_.journal.begin(), observation_.journal.end(),
                       [&](const BuildRecord& record) {
                         if (record.index_oid != existing_->oid || record.definition.empty())
                           return false;
                         const auto built = parse_index_definition(record.definition);
                         const auto declared = parse_index_definition(record.declared);
                         return built && declared && built->shape == parsed_->shape &&
                                declared->shape == wanted->shape;
                       });
  }

  [[nodiscard]] std::string find_alike(const ServerView& view) const {
    const auto made = parse_index_definition(view.definition);
    if (!made) return {};
    for (const auto& other : observation_.inventory.indexes) {
      if (other.table_oid != table_->oid || !other.valid) continue;
      const auto parsed = parse_index_definition(other.definition);
      if (parsed && parsed->shape == made->shape) return other.name;
    }
    return {};
  }

  [[nodiscard]] std::string obstacle() const {
    const auto& inventory = observation_.inventory;
    if (inventory.in_recovery) return "this server is a replica: connect to its primary";
    if (auto reason = concurrent_build_obstacle(inventory.server_version); !reason.empty()) {
      return reason;
    }
    if (table_ != nullptr && !table_->may_build) {
      return fmt::format(
          "the role {} may not build it: the table {} belongs to {}; connect as {}, or GRANT {} TO "
          "{} (and CREATE on schema {})",
          inventory.role, quoted_name(table_->schema, table_->name), table_->owner, table_->owner,
          quoted_name(table_->owner), quoted_name(inventory.role), quoted_name(table_->schema));
    }
    return {};
  }

  const DeclaredIndex& declared_;
  const Observation& observation_;
  const TableFacts* table_ = nullptr;
  const ExistingIndex* existing_ = nullptr;
  std::optional<IndexStatement> parsed_;  // of the existing one
  Wanted wanted_;
};

}  // namespace

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::same:
      return "same";
    case Standing::missing:
      return "missing";
    case Standing::different:
      return "different";
    case Standing::invalid:
      return "invalid";
    case Standing::unbuildable:
      return "unbuildable";
  }
  return "same";
}

std::string PlannedIndex::create_sql(std::string_view name, bool concurrently) const {
  return create_index_sql(declared.statement, name, quoted_name(schema, declared.statement.table),
                          tail, concurrently);
}

std::size_t Plan::count(Standing standing) const {
  return static_cast<std::size_t>(
      std::count_if(indexes.begin(), indexes.end(),
                    [standing](const auto& index) { return index.standing == standing; }));
}

bool Plan::nothing_to_build() const {
  return leftovers.empty() && std::none_of(indexes.begin(), indexes.end(),
                                           [](const auto& index) { return index.to_build(); });
}

std::vector<Question> questions(const Catalogue& catalogue, const Observation& observation,
                                Date today) {
  std::vector<Question> out;
  for (const auto& declared : catalogue.indexes()) {
    const Comparison comparison(declared, observation, today);
    if (!comparison.settled()) out.push_back(comparison.question());
  }
  return out;
}

Plan make_plan(const Catalogue& catalogue, const Observation& observation, Date today) {
  Plan out;
  std::set<Oid> tables;
  for (const auto& declared : catalogue.indexes()) {
    out.indexes.push_back(Comparison(declared, observation, today).planned());
    if (out.indexes.back().table_oid != 0) tables.insert(out.indexes.back().table_oid);
    if (!out.indexes.back().confirmed) out.unconfirmed = observation.why_not_asked;
  }
  out.leftovers = recover(observation.journal, observation.inventory);

  std::vector<ExistingIndex> known;
  for (const auto& index : observation.inventory.indexes) {
    if (!tables.contains(index.table_oid)) continue;
    known.push_back(index);
    const auto* declared = catalogue.find(index.name);
    // A replacement that waits for its swap, a wreck that waits for its end.
    const bool ours = std::any_of(
        observation.journal.begin(), observation.journal.end(),
        [&index](const BuildRecord& record) {
          return record.is_unfinished() &&
                 (made_by(record, index) ||
                  (record.state == BuildState::swapped && record.replaced_oid == index.oid));
        });
    if (declared == nullptr && !ours && !index.needed_beyond_speed()) {
      out.extra.push_back(index);
    }
  }
  out.redundant = find_redundant(known);
  return out;
}

std::string concurrent_build_obstacle(int server_version) {
  if (server_version < 140000 || server_version >= 140004) return {};
  return fmt::format(
      "PostgreSQL 14.{} can leave a concurrently built index without some rows: update the server "
      "to 14.4 or later first",
      server_version % 10000);
}

}  // namespace lyceum::indexes
