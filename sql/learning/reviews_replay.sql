-- access: read
-- The stored answer to reviews: a row for each review, in order.
-- $1 text: idempotency key
SELECT a.vocabulary_id, a.stability, a.difficulty, a.state, a.due, a.next_review_date,
       a.mastery_level, a.review_count
FROM idempotency_keys k
CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(k.response)
       AS (vocabulary_id uuid, stability float8, difficulty float8, state text, due timestamptz,
           next_review_date date, mastery_level float8, review_count integer))
     WITH ORDINALITY AS a (vocabulary_id, stability, difficulty, state, due, next_review_date,
                           mastery_level, review_count, place)
WHERE k.key = $1::text
ORDER BY a.place
