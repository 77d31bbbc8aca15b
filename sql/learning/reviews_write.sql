-- access: write
-- Stores what reviews came to, and the answer under its key. A row for each review, in order.
-- No row: the key was taken meanwhile by another request, and nothing was written.
-- $1 uuid: learner
-- $2 text: idempotency key
-- $3 bytea: hash of the request
-- A place in these for each review, read in step:
-- $4 uuid[]: words
-- $5 float8[], $6 float8[]: stability and difficulty after it
-- $7 text[], $8 integer[]: state and step
-- $9 timestamptz[], $10 timestamptz[]: when it was made, when the word is due
-- $11 float8[]: mastery
-- $12 integer[]: reviews of the word so far
-- $13 boolean[]: it is the last of its word, and is what is stored
-- The answer is read from what is stored, so that a replay reads the same.
WITH given AS MATERIALIZED (
  SELECT g.*, (g.due AT TIME ZONE u.time_zone)::date AS next_review_date
  FROM unnest($4::uuid[], $5::float8[], $6::float8[], $7::text[], $8::integer[],
              $9::timestamptz[], $10::timestamptz[], $11::float8[], $12::integer[], $13::boolean[])
       WITH ORDINALITY AS g (vocabulary_id, stability, difficulty, state, step, reviewed_at, due,
                             mastery_level, review_count, is_last, place)
  CROSS JOIN (SELECT time_zone FROM users WHERE id = $1::uuid) u
), ledger AS (
  INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, response, user_id)
  SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid, $2::text, $3::bytea,
         jsonb_agg(jsonb_build_object(
           'vocabulary_id', g.vocabulary_id, 'stability', g.stability,
           'difficulty', g.difficulty, 'state', g.state, 'due', g.due,
           'next_review_date', g.next_review_date, 'mastery_level', g.mastery_level,
           'review_count', g.review_count) ORDER BY g.place),
         $1
  FROM given g
  ON CONFLICT (tenant_id, key) DO NOTHING
  RETURNING k.tenant_id, k.response
), written AS (
  INSERT INTO user_vocabulary_progress AS p
    (tenant_id, user_id, vocabulary_id, mastery_level, review_count, last_reviewed,
     next_review_date, stability, difficulty, learning_state, learning_step, due, updated_at)
  SELECT l.tenant_id, $1, g.vocabulary_id, g.mastery_level, g.review_count, g.reviewed_at,
         g.next_review_date, g.stability, g.difficulty, g.state, g.step, g.due, now()
  FROM given g
  CROSS JOIN ledger l
  WHERE g.is_last
  ORDER BY g.vocabulary_id
  ON CONFLICT (tenant_id, user_id, vocabulary_id) DO UPDATE
  SET mastery_level = excluded.mastery_level, review_count = excluded.review_count,
      last_reviewed = excluded.last_reviewed, next_review_date = excluded.next_review_date,
      stability = excluded.stability, difficulty = excluded.difficulty,
      learning_state = excluded.learning_state, learning_step = excluded.learning_step,
      due = excluded.due, updated_at = excluded.updated_at
)
SELECT a.vocabulary_id, a.stability, a.difficulty, a.state, a.due, a.next_review_date,
       a.mastery_level, a.review_count
FROM ledger l
CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(l.response)
       AS (vocabulary_id uuid, stability float8, difficulty float8, state text, due timestamptz,
           next_review_date date, mastery_level float8, review_count integer))
     WITH ORDINALITY AS a (vocabulary_id, stability, difficulty, state, due, next_review_date,
                           mastery_level, review_count, place)
ORDER BY a.place
