#include "learning/load_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <tuple>

#include "learning/load_text.h"

namespace lyceum::learning::load {
namespace {

constexpr std::uint64_t kBlockRows = 50'000;

template <class Row>
void append_binary(pg::CopyBuffer& out, const Row& row) {
  using Members = boost::describe::describe_members<Row, boost::describe::mod_public>;
  [&]<template <class...> class List, class... Member>(List<Member...>) {
    out.row(row.*Member::pointer...);
  }(Members{});
}

// Rows by the entity they belong to (a learner, or the row itself), sorted within blocks.
template <class Row>
class BlockSource final : public RowSource {
 public:
  using Make = std::function<void(std::uint64_t entity, std::vector<Row>& out)>;
  using Before = bool (*)(const Row&, const Row&);

  BlockSource(std::uint64_t entities, std::uint64_t total, Make make, Before before)
      : entities_(entities),
        total_(total),
        blocks_(1 + total / kBlockRows),
        make_(std::move(make)),
        before_(before) {}

  [[nodiscard]] std::string_view table() const override { return Row::kTable; }
  [[nodiscard]] std::string columns() const override { return columns_of<Row>(); }
  [[nodiscard]] std::uint64_t total() const override { return total_; }
  bool append(pg::CopyBuffer& out) override {
    const Row* row = next();
    if (row != nullptr) append_binary(out, *row);
    return row != nullptr;
  }
  bool append(std::string& out) override {
    const Row* row = next();
    if (row != nullptr) append_copy_text(out, *row);
    return row != nullptr;
  }

 private:
  const Row* next() {
    while (at_ == rows_.size()) {
      if (block_ == blocks_) return nullptr;
      rows_.clear();
      at_ = 0;
      // Every blocks_-th entity: some of every tenant.
      for (auto entity = block_; entity < entities_; entity += blocks_) make_(entity, rows_);
      std::sort(rows_.begin(), rows_.end(), before_);
      ++block_;
    }
    return &rows_[at_++];
  }

  std::uint64_t entities_;
  std::uint64_t total_;
  std::uint64_t blocks_;
  Make make_;
  Before before_;
  std::vector<Row> rows_;
  std::size_t at_ = 0;
  std::uint64_t block_ = 0;
};

template <class Row, class Make>
std::unique_ptr<RowSource> source(std::uint64_t entities, std::uint64_t total, Make make,
                                  bool (*before)(const Row&, const Row&)) {
  return std::make_unique<BlockSource<Row>>(entities, total, std::move(make), before);
}

template <class Row>
bool earlier(const Row& left, const Row& right) {
  return std::tie(left.created_at, left.id) < std::tie(right.created_at, right.id);
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Error cannot_write(const std::string& file, int number) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("cannot write {}: {}", file, std::strerror(number)),
          .hint = "check the directory, its permissions and the space on its disk"};
}

// Writes pieces of text until there are no more.
std::optional<Error> write_file(const std::string& file,
                                const std::function<bool(std::string&)>& append) {
  const std::unique_ptr<std::FILE, Close> stream(std::fopen(file.c_str(), "wbe"));
  if (!stream) return cannot_write(file, errno);
  std::string text;
  for (bool more = true; more;) {
    text.clear();
    while ((more = append(text)) && text.size() < (1U << 16U)) {
    }
    if (std::fwrite(text.data(), 1, text.size(), stream.get()) != text.size()) {
      return cannot_write(file, errno);
    }
  }
  if (std::fflush(stream.get()) != 0) return cannot_write(file, errno);
  return std::nullopt;
}

}  // namespace

std::vector<std::unique_ptr<RowSource>> sources_of(const School& school) {
  const auto& scale = school.scale();
  const auto* from = &school;
  std::vector<std::unique_ptr<RowSource>> out;
  out.push_back(source<TenantRow>(
      scale.tenants, scale.tenants,
      [from](std::uint64_t i, auto& rows) { rows.push_back(from->tenant(i)); }, earlier));
  out.push_back(source<VocabularyRow>(
      scale.vocabulary, scale.vocabulary,
      [from](std::uint64_t i, auto& rows) { rows.push_back(from->word(i)); }, earlier));
  out.push_back(source<UserRow>(
      scale.learners, scale.learners,
      [from](std::uint64_t i, auto& rows) { rows.push_back(from->user(i)); }, earlier));
  out.push_back(source<StoryRow>(
      scale.stories, scale.stories,
      [from](std::uint64_t i, auto& rows) { rows.push_back(from->story(i)); }, earlier));
  out.push_back(source<ProgressRow>(
      scale.learners, scale.progress,
      [from](std::uint64_t i, auto& rows) { from->progress(i, rows); },
      [](const ProgressRow& left, const ProgressRow& right) {
        return std::tie(left.created_at, left.user_id, left.story_id) <
               std::tie(right.created_at, right.user_id, right.story_id);
      }));
  out.push_back(source<VocabularyProgressRow>(
      scale.learners, scale.vocabulary_progress,
      [from](std::uint64_t i, auto& rows) { from->vocabulary_progress(i, rows); },
      [](const VocabularyProgressRow& left, const VocabularyProgressRow& right) {
        return std::tie(left.created_at, left.user_id, left.vocabulary_id) <
               std::tie(right.created_at, right.user_id, right.vocabulary_id);
      }));
  out.push_back(source<ExerciseRow>(
      scale.exercises, scale.exercises,
      [from](std::uint64_t i, auto& rows) { rows.push_back(from->exercise(i)); }, earlier));
  out.push_back(source<SessionRow>(
      scale.learners, scale.sessions,
      [from](std::uint64_t i, auto& rows) { from->sessions(i, rows); },
      [](const SessionRow& left, const SessionRow& right) {
        return std::tie(left.started_at, left.id) < std::tie(right.started_at, right.id);
      }));
  out.push_back(source<AttemptRow>(
      scale.learners, scale.attempts,
      [from](std::uint64_t i, auto& rows) { from->attempts(i, rows); }, earlier));
  out.push_back(source<EventRow>(
      scale.learners, scale.events, [from](std::uint64_t i, auto& rows) { from->events(i, rows); },
      earlier));
  return out;
}

std::string copy_statement(const RowSource& source, std::string_view format) {
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT {})", source.table(), source.columns(),
                     format);
}

Result<std::uint64_t> write_copy_files(const School& school, const std::string& directory) {
  std::uint64_t rows = 0;
  std::string script = "\\set ON_ERROR_STOP on\n";
  for (const auto& table : sources_of(school)) {
    const auto name = fmt::format("{}.copy", table->table());
    if (auto error = write_file(directory + '/' + name,
                                [&](std::string& out) { return table->append(out); })) {
      return *error;
    }
    script += fmt::format("\\copy {} ({}) FROM '{}'\n", table->table(), table->columns(), name);
    rows += table->total();
  }
  if (auto error = write_file(directory + "/load.sql", [&](std::string& out) {
        out += std::exchange(script, {});
        return false;
      })) {
    return *error;
  }
  return rows;
}

}  // namespace lyceum::learning::load
