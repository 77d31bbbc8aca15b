-- The guide's 40 indexes on its own schema, mended only where they fail: the two whose predicates
-- name CURRENT_DATE.

CREATE INDEX idx_users_tenant_email ON guide.users (tenant_id, email);
CREATE INDEX idx_users_tenant_active ON guide.users (tenant_id, is_active) WHERE is_active = true;
CREATE INDEX idx_users_last_login ON guide.users (last_login_at DESC) WHERE last_login_at IS NOT NULL;
CREATE INDEX idx_users_created_at ON guide.users (created_at DESC);
CREATE INDEX idx_stories_tenant_published ON guide.stories (tenant_id, published) WHERE published = true;
CREATE INDEX idx_stories_level_difficulty ON guide.stories (level, difficulty_score);
CREATE INDEX idx_stories_featured_created ON guide.stories (featured DESC, created_at DESC);
CREATE INDEX idx_stories_view_count ON guide.stories (view_count DESC);
CREATE INDEX idx_stories_title_search ON guide.stories USING gin (to_tsvector('english', title));
CREATE INDEX idx_stories_content_search ON guide.stories USING gin (to_tsvector('english', content));
CREATE INDEX idx_progress_user_story ON guide.progress (user_id, story_id);
CREATE INDEX idx_progress_user_updated ON guide.progress (user_id, updated_at DESC);
CREATE INDEX idx_progress_completion
  ON guide.progress (completion_percentage) WHERE completion_percentage >= 80;
CREATE INDEX idx_progress_time_spent ON guide.progress (user_id, time_spent DESC);
CREATE INDEX idx_progress_last_accessed ON guide.progress (user_id, last_accessed DESC);
CREATE INDEX idx_vocabulary_word_level ON guide.vocabulary (word, difficulty_level);
CREATE INDEX idx_vocabulary_frequency ON guide.vocabulary (frequency DESC);
CREATE INDEX idx_vocabulary_search
  ON guide.vocabulary USING gin (to_tsvector('english', word || ' ' || definition));
CREATE INDEX idx_vocabulary_pos ON guide.vocabulary (part_of_speech);
CREATE INDEX idx_user_vocab_progress ON guide.user_vocabulary_progress (user_id, vocabulary_id);
CREATE INDEX idx_user_vocab_mastery
  ON guide.user_vocabulary_progress (user_id, mastery_level) WHERE mastery_level >= 0.8;
CREATE INDEX idx_user_vocab_last_reviewed ON guide.user_vocabulary_progress (user_id, last_reviewed DESC);
CREATE INDEX idx_user_vocab_review_due ON guide.user_vocabulary_progress (user_id, next_review_date);
CREATE INDEX idx_exercises_story_type ON guide.exercises (story_id, exercise_type);
CREATE INDEX idx_exercises_difficulty ON guide.exercises (difficulty_level);
CREATE INDEX idx_exercise_attempts_user ON guide.exercise_attempts (user_id, created_at DESC);
CREATE INDEX idx_exercise_attempts_success
  ON guide.exercise_attempts (user_id, is_correct, created_at DESC);
CREATE INDEX idx_exercise_attempts_exercise ON guide.exercise_attempts (exercise_id, created_at DESC);
CREATE INDEX idx_learning_sessions_user_date ON guide.learning_sessions (user_id, started_at DESC);
CREATE INDEX idx_learning_sessions_duration
  ON guide.learning_sessions (duration_minutes) WHERE duration_minutes > 0;
CREATE INDEX idx_learning_sessions_completed
  ON guide.learning_sessions (user_id, completed_at DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_user_events_type_date ON guide.user_events (user_id, event_type, created_at DESC);
CREATE INDEX idx_user_events_session ON guide.user_events (session_id, created_at);
CREATE INDEX idx_stories_tenant_level_published
  ON guide.stories (tenant_id, level, published) WHERE published = true;
CREATE INDEX idx_progress_user_completion_date
  ON guide.progress (user_id, completion_percentage, updated_at DESC);
CREATE INDEX idx_vocab_progress_user_mastery_reviewed
  ON guide.user_vocabulary_progress (user_id, mastery_level, last_reviewed DESC);
CREATE INDEX idx_stories_tenant_featured_level
  ON guide.stories (tenant_id, featured, level) WHERE published = true;
CREATE INDEX idx_stories_incomplete_progress
  ON guide.progress (user_id, story_id) WHERE completion_percentage < 100;
CREATE INDEX idx_vocabulary_needs_review
  ON guide.user_vocabulary_progress (user_id, vocabulary_id) WHERE mastery_level < 0.8;
DO $index$
BEGIN
  EXECUTE format('CREATE INDEX idx_recent_user_activity ON guide.user_events (user_id, created_at DESC)
                  WHERE created_at >= %L::timestamptz', current_date - 7);
END
$index$;
