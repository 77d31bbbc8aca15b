-- access: read
-- Which of these names ($1) belong to something that is no index.
SELECT namespace.nspname::text AS schema, class.relname::text AS name, class.relkind::text AS kind
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relname::text = ANY ($1::text[])
  AND class.relkind NOT IN ('i', 'I')
