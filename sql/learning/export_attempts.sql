-- access: read
-- uses: idx_exercise_attempts_learner
-- A batch of a learner's attempts at exercises as JSON, the oldest first.
-- $1 uuid: learner
-- $2 timestamptz, $3 uuid: time and id of the first that may come
-- $4 integer: rows wanted
SELECT a.created_at AS at, a.id, (to_jsonb(a) - 'tenant_id')::text AS document
FROM exercise_attempts a
WHERE a.user_id = $1::uuid AND (a.created_at, a.id) >= ($2::timestamptz, $3::uuid)
ORDER BY a.created_at, a.id
LIMIT $4::integer
