-- access: read
-- A batch of a learner's progress as JSON, in the order of the key.
-- $1 uuid: learner
-- $2 uuid: the first story that may come
-- $3 integer: rows wanted
SELECT p.story_id AS id, (to_jsonb(p) - 'tenant_id')::text AS document
FROM progress p
WHERE p.user_id = $1::uuid AND p.story_id >= $2::uuid
ORDER BY p.story_id
LIMIT $3::integer
