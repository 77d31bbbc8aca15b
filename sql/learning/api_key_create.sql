-- access: write
-- A new API key, as it is stored. An unknown tenant or learner violates a foreign key (23503).
-- $1 uuid: tenant
-- $2 uuid: id
-- $3 text: prefix
-- $4 bytea: SHA-256 of the whole key
-- $5 text: name
-- $6 text[]: roles
-- $7 uuid: learner, or NULL
-- $8 timestamptz: when it expires, or NULL
INSERT INTO api_keys (tenant_id, id, prefix, hash, name, roles, learner_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id, prefix, name, roles, learner_id, created_at, expires_at, revoked_at
