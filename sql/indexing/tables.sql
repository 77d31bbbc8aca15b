-- access: read
-- The tables that a catalogue names ($1 schemas, '' where it gives none; $2 names), as the search
-- path finds them.
SELECT declared.schema AS schema_as_declared,
       declared.name AS name,
       coalesce(class.oid, 0)::bigint AS oid,
       coalesce(namespace.nspname::text, '') AS schema,
       coalesce(class.relkind::text, '') AS kind,
       coalesce(pg_get_userbyid(class.relowner)::text, '') AS owner,
       coalesce(pg_has_role(class.relowner, 'USAGE')
                AND has_schema_privilege(class.relnamespace, 'CREATE'), false) AS may_build
FROM unnest($1::text[], $2::text[]) AS declared (schema, name)
LEFT JOIN pg_catalog.pg_class AS class
  ON class.oid = to_regclass(CASE WHEN declared.schema = '' THEN quote_ident(declared.name)
                                  ELSE quote_ident(declared.schema) || '.' || quote_ident(declared.name)
                             END)
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
