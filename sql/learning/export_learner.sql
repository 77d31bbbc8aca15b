-- access: read
-- One learner's row as JSON; none where there is no such learner.
-- $1 uuid: learner
SELECT (to_jsonb(u) - 'tenant_id')::text AS document FROM users u WHERE u.id = $1::uuid
