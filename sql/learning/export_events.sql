-- access: read
-- uses: idx_user_events_learner
-- A batch of a learner's events as JSON, the oldest first.
-- $1 uuid: learner
-- $2 timestamptz, $3 uuid: time and id of the first that may come
-- $4 integer: rows wanted
SELECT e.created_at AS at, e.id, (to_jsonb(e) - 'tenant_id')::text AS document
FROM user_events e
WHERE e.user_id = $1::uuid AND (e.created_at, e.id) >= ($2::timestamptz, $3::uuid)
ORDER BY e.created_at, e.id
LIMIT $4::integer
