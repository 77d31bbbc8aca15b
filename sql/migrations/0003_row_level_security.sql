-- Every tenant-owned table shows a role only the rows of the tenant that this transaction has set:
--   select set_config('lyceum.tenant', '<uuid>', true)
-- After such a transaction the setting is '', not NULL, hence nullif. The sub-select makes the
-- policy one value per statement instead of one call per row. Without a tenant no row is visible
-- and none can be written. FORCE holds the owner to policies too: its own says `true`, which the
-- planner removes, so that loading, migrating and the search function pay nothing for it, and no
-- role needs BYPASSRLS, which only a superuser could give.

SET LOCAL ROLE lyceum_owner;

DO $policies$
DECLARE
  owned record;
BEGIN
  FOR owned IN
    SELECT * FROM (VALUES ('tenants', 'id'),
                          ('users', 'tenant_id'),
                          ('stories', 'tenant_id'),
                          ('progress', 'tenant_id'),
                          ('user_vocabulary_progress', 'tenant_id'),
                          ('exercises', 'tenant_id'),
                          ('exercise_attempts', 'tenant_id'),
                          ('learning_sessions', 'tenant_id'),
                          ('user_events', 'tenant_id'),
                          ('idempotency_keys', 'tenant_id')) AS pair (name, tenant)
  LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', owned.name);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', owned.name);
    EXECUTE format($policy$
      CREATE POLICY tenant_rows ON public.%I TO lyceum_app, lyceum_reader
        USING (%2$I = (SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid))
        WITH CHECK (%2$I = (SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid))
    $policy$, owned.name, owned.tenant);
    EXECUTE format('CREATE POLICY owner_rows ON public.%I TO lyceum_owner USING (true) WITH CHECK (true)',
                   owned.name);
  END LOOP;
END
$policies$;

GRANT SELECT ON tenants, vocabulary TO lyceum_app, lyceum_reader;
GRANT SELECT ON users, stories, progress, user_vocabulary_progress, exercises, exercise_attempts,
                learning_sessions, user_events TO lyceum_reader;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON users, stories, progress, user_vocabulary_progress, exercises, exercise_attempts,
     learning_sessions, user_events, idempotency_keys TO lyceum_app;

RESET ROLE;
