-- access: read
-- uses: idx_learning_sessions_learner
-- A batch of a learner's sessions as JSON, the oldest first.
-- $1 uuid: learner
-- $2 timestamptz, $3 uuid: time and id of the first that may come
-- $4 integer: rows wanted
SELECT s.started_at AS at, s.id, (to_jsonb(s) - 'tenant_id')::text AS document
FROM learning_sessions s
WHERE s.user_id = $1::uuid AND (s.started_at, s.id) >= ($2::timestamptz, $3::uuid)
ORDER BY s.started_at, s.id
LIMIT $4::integer
