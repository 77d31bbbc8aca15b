-- access: read
-- The API key with that prefix, before it is known which tenant asks: no row or one. Revoked and
-- expired ones too: the caller decides, by its own clock.
-- $1 text: prefix
SELECT k.tenant_id, k.hash, k.roles, k.learner_id, k.expires_at, k.revoked_at
FROM lyceum_api_key($1) k
