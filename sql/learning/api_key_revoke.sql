-- access: write
-- Revokes a tenant's API key; one that is revoked keeps its time. No row where the tenant has no
-- such key.
-- $1 uuid: tenant
-- $2 text: prefix
UPDATE api_keys k
SET revoked_at = coalesce(k.revoked_at, now())
WHERE k.tenant_id = $1 AND k.prefix = $2
RETURNING k.id, k.prefix, k.name, k.roles, k.learner_id, k.created_at, k.expires_at, k.revoked_at
