-- Profile lean: what the operations rely on, beside the primary keys, and nothing else.

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
