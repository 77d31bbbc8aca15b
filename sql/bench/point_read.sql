-- access: read
-- One user by key: what the benchmark of point reads asks.
-- $1 uuid: user
SELECT u.id, u.email, u.time_zone, u.is_active, u.last_login_at, u.created_at
FROM users u
WHERE u.id = $1::uuid
