-- API keys: who a program is that calls the service without a token. A key is
-- lyk_<prefix>_<secret>. Of the secret only the whole key's SHA-256 is kept: it is 256 random bits,
-- which nobody finds by trying, so that what makes passwords' hashes slow would slow down nothing but
-- our own requests.

SET LOCAL ROLE lyceum_owner;

CREATE TABLE api_keys (
  tenant_id  uuid        NOT NULL REFERENCES tenants (id),
  id         uuid        NOT NULL,
  prefix     text        NOT NULL CHECK (prefix ~ '^[0-9A-Za-z]{12}$'),
  hash       bytea       NOT NULL CHECK (length(hash) = 32),
  name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  roles      text[]      NOT NULL CHECK (cardinality(roles) > 0 AND array_position(roles, NULL) IS NULL
                                         AND roles <@ ARRAY['learner', 'teacher', 'admin', 'service']),
  learner_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz CHECK (isfinite(expires_at)),
  revoked_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, learner_id) REFERENCES users (tenant_id, id),
  CHECK (('learner' = ANY (roles)) = (learner_id IS NOT NULL))
);

-- The one index that no tenant leads: a key is looked up before it is known whose it is.
CREATE UNIQUE INDEX api_keys_prefix ON api_keys (prefix);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON api_keys TO lyceum_app, lyceum_reader
  USING (tenant_id = (SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid));
CREATE POLICY owner_rows ON api_keys TO lyceum_owner USING (true) WITH CHECK (true);

-- A tenant's admin lists, makes and revokes keys through the application. Nobody reads a hash but
-- the function below, and of a key that is made only its revoking changes. lyceum_reader has no
-- business here.
GRANT SELECT (tenant_id, id, prefix, name, roles, learner_id, created_at, expires_at, revoked_at),
      INSERT (tenant_id, id, prefix, hash, name, roles, learner_id, expires_at),
      UPDATE (revoked_at)
  ON api_keys TO lyceum_app;

-- The key with that prefix, whatever its state and whoever's it is: no row or one. Runs as
-- lyceum_owner, because the tenant is what the caller wants to know. It gives away nothing that
-- opens a door: who knows a prefix learns a hash that cannot be turned back.
CREATE FUNCTION lyceum_api_key(wanted text)
RETURNS TABLE (tenant_id uuid, hash bytea, roles text[], learner_id uuid, expires_at timestamptz,
               revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, public, pg_temp
AS $function$
  SELECT k.tenant_id, k.hash, k.roles, k.learner_id, k.expires_at, k.revoked_at
  FROM public.api_keys k
  WHERE k.prefix = wanted
$function$;

REVOKE ALL ON FUNCTION lyceum_api_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lyceum_api_key(text) TO lyceum_app;

RESET ROLE;
