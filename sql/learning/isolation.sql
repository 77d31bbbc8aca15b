-- access: read
-- Whether row-level security binds the current role on every table that has tenants' rows. An owner
-- is bound too, by a policy that shows it everything, so being one counts as not bound.
SELECT coalesce(bool_and(row_security_active(c.oid)
                         AND NOT pg_has_role(current_user, c.relowner, 'USAGE')), false)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public'
