-- Fills the guide's tables with the same rows as ours, in the same order. To be run by a role that
-- sees all tenants, and before indexes.sql. The foreign keys are checked at the end of the load as
-- far as they matter here: the rows come from tables that hold the same ones.

SET LOCAL session_replication_role = replica;

INSERT INTO guide.users (id, tenant_id, email, time_zone, is_active, last_login_at, created_at, updated_at)
SELECT id, tenant_id, email, time_zone, is_active, last_login_at, created_at, updated_at FROM public.users;

INSERT INTO guide.stories (id, tenant_id, title, content, level, difficulty_score, estimated_duration,
                           thumbnail_url, view_count, featured, published, created_at, updated_at,
                           author, illustrator, translator, licence, source)
SELECT id, tenant_id, title, content, level, difficulty_score, estimated_duration, thumbnail_url,
       view_count, featured, published, created_at, updated_at, author, illustrator, translator,
       licence, source
FROM public.stories;

INSERT INTO guide.progress (user_id, story_id, completion_percentage, time_spent, last_accessed,
                            created_at, updated_at)
SELECT user_id, story_id, completion_percentage, time_spent::integer, last_accessed, created_at,
       updated_at
FROM public.progress;

INSERT INTO guide.vocabulary (id, word, part_of_speech, definition, level, difficulty_level, frequency,
                              created_at)
SELECT id, word, part_of_speech, definition, level, difficulty_level, frequency, created_at
FROM public.vocabulary;

INSERT INTO guide.user_vocabulary_progress (user_id, vocabulary_id, mastery_level, review_count,
                                            last_reviewed, next_review_date, created_at, updated_at)
SELECT user_id, vocabulary_id, mastery_level, review_count, last_reviewed, next_review_date,
       created_at, updated_at
FROM public.user_vocabulary_progress;

INSERT INTO guide.exercises (id, story_id, exercise_type, difficulty_level, question, answer, created_at)
SELECT id, story_id, exercise_type, difficulty_level, question, answer, created_at
FROM public.exercises;

INSERT INTO guide.exercise_attempts (id, user_id, exercise_id, is_correct, created_at)
SELECT id, user_id, exercise_id, is_correct, created_at FROM public.exercise_attempts;

INSERT INTO guide.learning_sessions (id, user_id, started_at, completed_at, duration_minutes)
SELECT id, user_id, started_at, completed_at, duration_minutes FROM public.learning_sessions;

INSERT INTO guide.user_events (id, user_id, session_id, event_type, payload, created_at)
SELECT id, user_id, session_id, event_type, payload, created_at FROM public.user_events;
