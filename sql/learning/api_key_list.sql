-- access: read
-- A tenant's API keys, revoked and expired ones too, the newest first. Names the tenant beside the
-- policy, for a member of lyceum_owner sees the keys of all.
-- $1 uuid: tenant
SELECT k.id, k.prefix, k.name, k.roles, k.learner_id, k.created_at, k.expires_at, k.revoked_at
FROM api_keys k
WHERE k.tenant_id = $1
ORDER BY k.created_at DESC, k.id
