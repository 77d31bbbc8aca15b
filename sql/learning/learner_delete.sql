-- access: write
-- uses: idx_learning_sessions_learner, idx_user_events_learner, idx_user_events_of_session, idx_exercise_attempts_learner, idx_idempotency_keys_learner
-- Removes everything of one learner; how many rows of each table. Always one row.
-- $1 uuid: learner, locked in this transaction
-- Foreign keys are checked when the statement ends, so that the parts need no order.
WITH events AS (
  DELETE FROM user_events e WHERE e.user_id = $1::uuid RETURNING 1
), freed AS (
  UPDATE user_events e
  SET session_id = NULL
  WHERE e.session_id = ANY (ARRAY(SELECT s.id FROM learning_sessions s WHERE s.user_id = $1))
    AND e.user_id <> $1
), sessions AS (
  DELETE FROM learning_sessions s WHERE s.user_id = $1 RETURNING 1
), attempts AS (
  DELETE FROM exercise_attempts a WHERE a.user_id = $1 RETURNING 1
), words AS (
  DELETE FROM user_vocabulary_progress v WHERE v.user_id = $1 RETURNING 1
), stories AS (
  DELETE FROM progress p WHERE p.user_id = $1 RETURNING 1
), answers AS (
  DELETE FROM idempotency_keys k WHERE k.user_id = $1 RETURNING 1
), learner AS (
  DELETE FROM users u WHERE u.id = $1 RETURNING 1
)
SELECT (SELECT count(*) FROM learner) AS learners,
       (SELECT count(*) FROM stories) AS progress,
       (SELECT count(*) FROM words) AS vocabulary_progress,
       (SELECT count(*) FROM sessions) AS sessions,
       (SELECT count(*) FROM events) AS events,
       (SELECT count(*) FROM attempts) AS exercise_attempts,
       (SELECT count(*) FROM answers) AS idempotency_keys
