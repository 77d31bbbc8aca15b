-- access: read
-- An index by name: what a build left.
SELECT i.indexrelid::bigint AS oid,
       i.indrelid::bigint AS table_oid,
       i.indisvalid AND i.indislive AS valid,
       pg_get_indexdef(i.indexrelid) AS definition,
       pg_relation_size(i.indexrelid) AS bytes
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS class ON class.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname::text = $1 AND class.relname::text = $2
