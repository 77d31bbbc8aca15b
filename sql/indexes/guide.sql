-- Profile guide: the 40 indexes that the guide names, in its words where those are valid, and after
-- them what the operations need and the guide has not.

-- ---- Users: signing in, tenant isolation.

-- A user by address within a tenant: signing in.
CREATE INDEX idx_users_tenant_email ON users (tenant_id, email);

-- The active users of a tenant.
CREATE INDEX idx_users_tenant_active ON users (tenant_id, is_active) WHERE is_active = true;

-- Who was here last, over all tenants.
CREATE INDEX idx_users_last_login ON users (last_login_at DESC) WHERE last_login_at IS NOT NULL;

-- The newest users, over all tenants.
CREATE INDEX idx_users_created_at ON users (created_at DESC);

-- ---- Stories: finding content.

-- The published stories of a tenant.
CREATE INDEX idx_stories_tenant_published ON stories (tenant_id, published) WHERE published = true;

-- Stories of a level by difficulty.
CREATE INDEX idx_stories_level_difficulty ON stories (level, difficulty_score);

-- Featured stories first, then the newest, over all tenants.
CREATE INDEX idx_stories_featured_created ON stories (featured DESC, created_at DESC);

-- The most read stories, over all tenants.
CREATE INDEX idx_stories_view_count ON stories (view_count DESC);

-- Words in titles. The search operation uses idx_stories_search instead.
CREATE INDEX idx_stories_title_search ON stories USING gin (to_tsvector('english', title));

-- Words in texts. The search operation uses idx_stories_search instead.
CREATE INDEX idx_stories_content_search ON stories USING gin (to_tsvector('english', content));

-- ---- Progress.

-- A learner's progress in a story; the primary key answers the same within a tenant.
CREATE INDEX idx_progress_user_story ON progress (user_id, story_id);

-- A learner's progress, the latest change first.
CREATE INDEX idx_progress_user_updated ON progress (user_id, updated_at DESC);

-- Progress that is nearly complete.
CREATE INDEX idx_progress_completion
  ON progress (completion_percentage) WHERE completion_percentage >= 80;

-- Where a learner spent most time.
CREATE INDEX idx_progress_time_spent ON progress (user_id, time_spent DESC);

-- What a learner opened last.
CREATE INDEX idx_progress_last_accessed ON progress (user_id, last_accessed DESC);

-- ---- Vocabulary.

-- A word, and how difficult it is.
CREATE INDEX idx_vocabulary_word_level ON vocabulary (word, difficulty_level);

-- The commonest words.
CREATE INDEX idx_vocabulary_frequency ON vocabulary (frequency DESC);

-- Words in words and their definitions.
CREATE INDEX idx_vocabulary_search
  ON vocabulary USING gin (to_tsvector('english', word || ' ' || definition));

-- Words by part of speech.
CREATE INDEX idx_vocabulary_pos ON vocabulary (part_of_speech);

-- ---- Learners' vocabulary.

-- A learner's row of a word; the primary key answers the same within a tenant.
CREATE INDEX idx_user_vocab_progress ON user_vocabulary_progress (user_id, vocabulary_id);

-- The words a learner has mastered.
CREATE INDEX idx_user_vocab_mastery
  ON user_vocabulary_progress (user_id, mastery_level) WHERE mastery_level >= 0.8;

-- The words a learner reviewed last.
CREATE INDEX idx_user_vocab_last_reviewed ON user_vocabulary_progress (user_id, last_reviewed DESC);

-- The words a learner has to review. The guide's predicate names CURRENT_DATE, which an index
-- cannot: a plain index by date answers it on every day.
CREATE INDEX idx_user_vocab_review_due ON user_vocabulary_progress (user_id, next_review_date);

-- ---- Exercises.

-- Exercises of a story, by type.
CREATE INDEX idx_exercises_story_type ON exercises (story_id, exercise_type);

-- Exercises by difficulty.
CREATE INDEX idx_exercises_difficulty ON exercises (difficulty_level);

-- A learner's attempts, the latest first.
CREATE INDEX idx_exercise_attempts_user ON exercise_attempts (user_id, created_at DESC);

-- A learner's right or wrong attempts, the latest first.
CREATE INDEX idx_exercise_attempts_success
  ON exercise_attempts (user_id, is_correct, created_at DESC);

-- The attempts at an exercise, the latest first.
CREATE INDEX idx_exercise_attempts_exercise ON exercise_attempts (exercise_id, created_at DESC);

-- ---- Sessions.

-- A learner's sessions, the latest first.
CREATE INDEX idx_learning_sessions_user_date ON learning_sessions (user_id, started_at DESC);

-- Sessions by how long they took.
CREATE INDEX idx_learning_sessions_duration
  ON learning_sessions (duration_minutes) WHERE duration_minutes > 0;

-- A learner's completed sessions, the latest first.
CREATE INDEX idx_learning_sessions_completed
  ON learning_sessions (user_id, completed_at DESC) WHERE completed_at IS NOT NULL;

-- ---- Events.

-- A learner's events of one type, the latest first.
CREATE INDEX idx_user_events_type_date ON user_events (user_id, event_type, created_at DESC);

-- The events of a session, in order.
CREATE INDEX idx_user_events_session ON user_events (session_id, created_at);

-- ---- Several columns at once.

-- The published stories of a tenant and level.
CREATE INDEX idx_stories_tenant_level_published
  ON stories (tenant_id, level, published) WHERE published = true;

-- A learner's progress by completion, the latest change first.
CREATE INDEX idx_progress_user_completion_date
  ON progress (user_id, completion_percentage, updated_at DESC);

-- A learner's words by mastery, the latest review first.
CREATE INDEX idx_vocab_progress_user_mastery_reviewed
  ON user_vocabulary_progress (user_id, mastery_level, last_reviewed DESC);

-- The published stories of a tenant, featured or not, by level.
CREATE INDEX idx_stories_tenant_featured_level
  ON stories (tenant_id, featured, level) WHERE published = true;

-- ---- Parts of a table.

-- The stories a learner has not finished.
CREATE INDEX idx_stories_incomplete_progress
  ON progress (user_id, story_id) WHERE completion_percentage < 100;

-- The words a learner has not mastered.
CREATE INDEX idx_vocabulary_needs_review
  ON user_vocabulary_progress (user_id, vocabulary_id) WHERE mastery_level < 0.8;

-- A learner's events of the last seven days. The guide's predicate moves with the day, which an
-- index cannot: this one is rolling. The builder puts a date in place of the words, and upkeep
-- builds the next one before this one is stale.
CREATE INDEX idx_recent_user_activity
  ON user_events (user_id, created_at DESC) WHERE created_at >= 'rolling: 7 days'::timestamptz;

-- ---- What the operations rely on.

-- learning.stories_page, stories_page_progress and stories_count, and stories_search for common
-- words: the order of a page, with what it is filtered by.
CREATE INDEX idx_stories_page ON stories (tenant_id, featured, created_at, id)
  INCLUDE (level, difficulty_score) WHERE published;

-- learning.stories_page_level and stories_page_progress_level: the same within a level.
CREATE INDEX idx_stories_level_page ON stories (tenant_id, level, featured, created_at, id)
  INCLUDE (difficulty_score) WHERE published;

-- learning.stories_search and stories_search_count: a tenant's words and levels. Without a pending
-- list, which every search would have to read through.
CREATE INDEX idx_stories_search ON stories USING gin (lyceum_search_terms(tenant_id, search))
  WITH (fastupdate = off) WHERE published;

-- learning.learning_analytics: completion over a range of time.
CREATE INDEX idx_progress_tenant_updated ON progress (tenant_id, updated_at)
  INCLUDE (user_id, completion_percentage);

-- learning.vocabulary_recommendations: the best new words of each difficulty.
CREATE INDEX idx_vocabulary_difficulty_frequency
  ON vocabulary (difficulty_level DESC, frequency DESC, id);

-- learning.learning_analytics: vocabulary over a range of time.
CREATE INDEX idx_user_vocab_tenant_updated ON user_vocabulary_progress (tenant_id, updated_at)
  INCLUDE (user_id, mastery_level);

-- learning.progress_summary: a learner's active days and streak. learner_delete and export_sessions.
CREATE INDEX idx_learning_sessions_learner ON learning_sessions (tenant_id, user_id, started_at);

-- learning.learning_analytics: the sessions of a day.
CREATE INDEX idx_learning_sessions_tenant_started ON learning_sessions (tenant_id, started_at)
  INCLUDE (user_id, duration_minutes);

-- learning.export_events and learner_delete: a learner's events, the oldest first.
CREATE INDEX idx_user_events_learner ON user_events (tenant_id, user_id, created_at);

-- learning.learner_delete: who refers to a session that goes, also for the foreign key.
CREATE INDEX idx_user_events_of_session ON user_events (tenant_id, session_id)
  WHERE session_id IS NOT NULL;

-- learning.export_attempts and learner_delete: a learner's attempts, the oldest first.
CREATE INDEX idx_exercise_attempts_learner ON exercise_attempts (tenant_id, user_id, created_at);

-- learning.export_answers and learner_delete: stored answers that hold a learner's data.
CREATE INDEX idx_idempotency_keys_learner ON idempotency_keys (tenant_id, user_id, key)
  WHERE user_id IS NOT NULL;

-- learning.idempotency_prune: the oldest keys.
CREATE INDEX idx_idempotency_keys_created ON idempotency_keys (tenant_id, created_at);
