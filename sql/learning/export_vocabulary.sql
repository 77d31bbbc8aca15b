-- access: read
-- A batch of a learner's words as JSON, in the order of the key.
-- $1 uuid: learner
-- $2 uuid: the first word that may come
-- $3 integer: rows wanted
SELECT v.vocabulary_id AS id, (to_jsonb(v) - 'tenant_id')::text AS document
FROM user_vocabulary_progress v
WHERE v.user_id = $1::uuid AND v.vocabulary_id >= $2::uuid
ORDER BY v.vocabulary_id
LIMIT $3::integer
