#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/uuid.h"
#include "pg/types.h"

// One struct a table of the platform: members are columns, of the same names and types, in the
// order in which they are copied. Members point to static storage where they are string_view.

namespace lyceum::learning::load {

struct TenantRow {
  static constexpr std::string_view kTable = "tenants";
  Uuid id;
  std::string name;
  std::string_view time_zone;
  Timestamp created_at;
};

struct UserRow {
  static constexpr std::string_view kTable = "users";
  Uuid tenant_id;
  Uuid id;
  std::string email;
  std::string_view time_zone;
  bool is_active = true;
  std::optional<Timestamp> last_login_at;
  Timestamp created_at;
  Timestamp updated_at;
};

struct VocabularyRow {
  static constexpr std::string_view kTable = "vocabulary";
  Uuid id;
  std::string word;
  std::string part_of_speech;
  std::string definition;
  std::string_view level;
  double difficulty_level = 0;
  double frequency = 0;
  Timestamp created_at;
};

struct StoryRow {
  static constexpr std::string_view kTable = "stories";
  Uuid tenant_id;
  Uuid id;
  std::string title;
  std::string content;
  std::string_view level;
  double difficulty_score = 0;
  std::int32_t estimated_duration = 0;  // minutes
  std::optional<std::string> thumbnail_url;
  std::int64_t view_count = 0;
  bool featured = false;
  bool published = true;
  Timestamp created_at;
  Timestamp updated_at;
  std::string author;
  std::string illustrator;
  std::string translator;
  std::string licence;
  std::string source;
};

struct ProgressRow {
  static constexpr std::string_view kTable = "progress";
  Uuid tenant_id;
  Uuid user_id;
  Uuid story_id;
  std::int32_t completion_percentage = 0;
  std::int64_t time_spent = 0;  // seconds
  Timestamp last_accessed;
  Timestamp created_at;
  Timestamp updated_at;
};

struct VocabularyProgressRow {
  static constexpr std::string_view kTable = "user_vocabulary_progress";
  Uuid tenant_id;
  Uuid user_id;
  Uuid vocabulary_id;
  double mastery_level = 0;
  std::int32_t review_count = 0;
  std::optional<Timestamp> last_reviewed;
  std::optional<pg::Date> next_review_date;
  Timestamp created_at;
  Timestamp updated_at;
};

struct ExerciseRow {
  static constexpr std::string_view kTable = "exercises";
  Uuid tenant_id;
  Uuid id;
  Uuid story_id;
  std::string_view exercise_type;
  double difficulty_level = 0;
  std::string question;
  std::string answer;
  Timestamp created_at;
};

struct SessionRow {
  static constexpr std::string_view kTable = "learning_sessions";
  Uuid tenant_id;
  Uuid id;
  Uuid user_id;
  Timestamp started_at;
  std::optional<Timestamp> completed_at;
  std::int32_t duration_minutes = 0;
};

struct AttemptRow {
  static constexpr std::string_view kTable = "exercise_attempts";
  Uuid tenant_id;
  Uuid id;
  Uuid user_id;
  Uuid exercise_id;
  bool is_correct = false;
  Timestamp created_at;
};

struct EventRow {
  static constexpr std::string_view kTable = "user_events";
  Uuid tenant_id;
  Uuid id;
  Uuid user_id;
  std::optional<Uuid> session_id;
  std::string_view event_type;
  pg::Json payload;
  Timestamp created_at;
};

BOOST_DESCRIBE_STRUCT(TenantRow, (), (id, name, time_zone, created_at))
BOOST_DESCRIBE_STRUCT(UserRow, (),
                      (tenant_id, id, email, time_zone, is_active, last_login_at, created_at,
                       updated_at))
BOOST_DESCRIBE_STRUCT(VocabularyRow, (),
                      (id, word, part_of_speech, definition, level, difficulty_level, frequency,
                       created_at))
BOOST_DESCRIBE_STRUCT(StoryRow, (),
                      (tenant_id, id, title, content, level, difficulty_score, estimated_duration,
                       thumbnail_url, view_count, featured, published, created_at, updated_at,
                       author, illustrator, translator, licence, source))
BOOST_DESCRIBE_STRUCT(ProgressRow, (),
                      (tenant_id, user_id, story_id, completion_percentage, time_spent,
                       last_accessed, created_at, updated_at))
BOOST_DESCRIBE_STRUCT(VocabularyProgressRow, (),
                      (tenant_id, user_id, vocabulary_id, mastery_level, review_count,
                       last_reviewed, next_review_date, created_at, updated_at))
BOOST_DESCRIBE_STRUCT(ExerciseRow, (),
                      (tenant_id, id, story_id, exercise_type, difficulty_level, question, answer,
                       created_at))
BOOST_DESCRIBE_STRUCT(SessionRow, (),
                      (tenant_id, id, user_id, started_at, completed_at, duration_minutes))
BOOST_DESCRIBE_STRUCT(AttemptRow, (), (tenant_id, id, user_id, exercise_id, is_correct, created_at))
BOOST_DESCRIBE_STRUCT(EventRow, (),
                      (tenant_id, id, user_id, session_id, event_type, payload, created_at))

}  // namespace lyceum::learning::load
