-- access: read
-- What reviews are applied to; asked after the lock, so that it is the latest. A row a word, at
-- least one.
-- $1 uuid: learner
-- $2 uuid[]: words, each once
-- $3 text: idempotency key
-- known_word is false for a word that is not in the vocabulary. request_hash is that of an earlier
-- request with the key, NULL where there was none.
SELECT g.id AS vocabulary_id, clock_timestamp() AS present,
       EXISTS (SELECT FROM vocabulary v WHERE v.id = g.id) AS known_word,
       (SELECT k.request_hash FROM idempotency_keys k WHERE k.key = $3::text) AS request_hash,
       coalesce(p.review_count, 0) AS review_count, p.last_reviewed, p.next_review_date,
       p.stability, p.difficulty, p.learning_state, p.learning_step
FROM unnest($2::uuid[]) AS g (id)
LEFT JOIN user_vocabulary_progress p ON p.user_id = $1::uuid AND p.vocabulary_id = g.id
