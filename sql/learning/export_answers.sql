-- access: read
-- uses: idx_idempotency_keys_learner
-- A batch of the stored answers to a learner's requests as JSON, in the order of their keys.
-- $1 uuid: learner
-- $2 text: the key before the first that may come, empty at the beginning
-- $3 integer: rows wanted
SELECT k.key, jsonb_build_object('key', k.key, 'response', k.response, 'created_at', k.created_at,
                                 'user_id', k.user_id)::text AS document
FROM idempotency_keys k
WHERE k.user_id = $1::uuid AND k.key > $2::text
ORDER BY k.key
LIMIT $3::integer
