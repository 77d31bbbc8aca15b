-- access: read
-- Whether the tenant that is set has this learner.
-- $1 uuid: learner
SELECT EXISTS (SELECT FROM users u WHERE u.id = $1)
