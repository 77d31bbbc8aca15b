#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "learning/load_random.h"
#include "learning/load_rows.h"
#include "learning/load_stories.h"
#include "learning/load_vocabulary.h"

namespace lyceum::learning::load {

// How many rows a simulation makes, exactly, over all tenants.
struct Scale {
  std::uint64_t tenants = 20;
  std::uint64_t learners = 20'000;
  std::uint64_t stories = 20'000;
  std::uint64_t progress = 500'000;
  std::uint64_t vocabulary_progress = 500'000;
  std::uint64_t sessions = 500'000;
  std::uint64_t events = 200'000;
  std::uint64_t exercises = 20'000;
  std::uint64_t attempts = 200'000;
  // At most so many words, the most frequent first; a vocabulary file may have fewer.
  std::uint64_t vocabulary = 30'000;

  // The figures above, each times the factor except for the vocabulary; at least one tenant,
  // learner and story. The factor is above 0 and at most 10,000.
  [[nodiscard]] static Scale demo(double factor);
  // Without the vocabulary, which depends on the file.
  [[nodiscard]] std::uint64_t rows() const;
};

// Schools, made up from a seed: tenants of very different sizes, learners of very different
// diligence, in many time zones, who learn in their evenings and in streaks.
//
// Every row is a function of (seed, scale, texts, words, as_of) and its own number, and of nothing
// else: rows may be made in any order, by any number of threads, and are the same byte for byte.
// Keys are unique, and every reference leads to a row of the same tenant. Memory: a few bytes a
// learner; rows are made when asked for. No row is later than as_of.
//
// Learners and stories are numbered over all tenants, each tenant's without a gap.
class School {
 public:
  // texts: at least one. words: may be empty where no vocabulary progress is wanted; all are used,
  // so cut them before (most_frequent). Errors (kBadInput): fewer learners or stories than tenants;
  // more progress than learners times their tenant's stories, or vocabulary progress than learners
  // times words, because each pair can stand only once; exercises or attempts without what they
  // refer to; more than 2³² of anything.
  [[nodiscard]] static Result<School> make(std::uint64_t seed, const Scale& scale,
                                           std::vector<StoryText> texts, std::vector<Word> words,
                                           Timestamp as_of);

  [[nodiscard]] const Scale& scale() const { return scale_; }  // vocabulary: as many as words
  [[nodiscard]] Timestamp as_of() const { return as_of_; }

  [[nodiscard]] TenantRow tenant(std::uint64_t number) const;
  [[nodiscard]] UserRow user(std::uint64_t learner) const;
  [[nodiscard]] StoryRow story(std::uint64_t number) const;
  [[nodiscard]] VocabularyRow word(std::uint64_t number) const;
  [[nodiscard]] ExerciseRow exercise(std::uint64_t number) const;

  // What one learner did; appended, in no particular order.
  void progress(std::uint64_t learner, std::vector<ProgressRow>& out) const;
  void vocabulary_progress(std::uint64_t learner, std::vector<VocabularyProgressRow>& out) const;
  void sessions(std::uint64_t learner, std::vector<SessionRow>& out) const;
  void events(std::uint64_t learner, std::vector<EventRow>& out) const;
  void attempts(std::uint64_t learner, std::vector<AttemptRow>& out) const;

  // The learners of a tenant, as numbers [first, last).
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    [[nodiscard]] std::uint64_t size() const { return last - first; }
  };
  [[nodiscard]] Range learners_of(std::uint64_t tenant) const;
  [[nodiscard]] Range stories_of(std::uint64_t tenant) const;

 private:
  School() = default;

  // What all of a learner's rows share.
  struct Learner {
    Uuid tenant_id;
    Uuid id;
    std::size_t zone = 0;
    int joined = 0;             // days before as_of
    int lapsed = 0;             // days before as_of of the last visit; 0 for most
    std::uint32_t ability = 0;  // 0 to 999
    std::uint32_t weight = 0;   // diligence: share of the rows
    [[nodiscard]] int active_days() const;
  };
  [[nodiscard]] Learner learner(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t tenant_of_learner(std::uint64_t learner) const;
  [[nodiscard]] std::uint64_t tenant_of_story(std::uint64_t story) const;
  [[nodiscard]] Range exercises_of(std::uint64_t tenant) const;
  [[nodiscard]] std::uint64_t story_of_exercise(std::uint64_t exercise) const;
  [[nodiscard]] Uuid id_of(Stream stream, std::uint64_t number) const;
  [[nodiscard]] Timestamp story_created(std::uint64_t story) const;
  [[nodiscard]] Timestamp moment(Draws& draws, const Learner& learner, int days_ago) const;
  [[nodiscard]] Timestamp bounded(Timestamp time, Timestamp earliest) const;

  std::uint64_t seed_ = 0;
  Scale scale_;
  Timestamp as_of_{};
  std::vector<StoryText> texts_;  // easy ones first
  std::vector<Word> words_;       // easy ones first
  std::vector<Uuid> word_ids_;
  std::vector<std::uint64_t> first_learner_;  // by tenant, one more at the end
  std::vector<std::uint64_t> first_story_;
  // How many rows each learner has.
  std::vector<std::uint32_t> progress_, vocabulary_progress_, sessions_, events_, attempts_;
};

// The id of a word: a UUID of version 5 made from part of speech and word, so that every database
// has the same for the same word.
[[nodiscard]] Uuid vocabulary_id(const Word& word);

}  // namespace lyceum::learning::load
