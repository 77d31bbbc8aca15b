-- access: read
-- What the server made of the declared indexes on the empty copies of their tables.
SELECT class.relname::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS class ON class.oid = i.indexrelid
WHERE class.relnamespace = pg_my_temp_schema()
