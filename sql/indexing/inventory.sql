-- access: read
-- Every index outside the system's schemas. Sizes by relpages: pg_relation_size would wait for
-- whoever holds the table exclusively. to_jsonb reads the columns that not every version has.
SELECT i.indexrelid::bigint AS oid,
       namespace.nspname::text AS schema,
       class.relname::text AS name,
       i.indrelid::bigint AS table_oid,
       table_namespace.nspname::text AS table_schema,
       table_class.relname::text AS "table",
       method.amname::text AS method,
       pg_get_indexdef(i.indexrelid) AS definition,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
             FROM generate_series(1, i.indnkeyatts::int) AS n ORDER BY n) AS key_definitions,
       i.indclass::oid[]::bigint[] AS opclasses,
       i.indcollation::oid[]::bigint[] AS collations,
       i.indoption::int2[] AS options,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
             FROM generate_series(i.indnkeyatts + 1, i.indnatts::int) AS n ORDER BY n) AS included,
       coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
       i.indisunique AS "unique",
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       i.indisprimary AS "primary",
       i.indisvalid AND i.indislive AS valid,
       i.indisready AS ready,
       i.indisclustered AS clustered,
       i.indisreplident OR (table_class.relreplident = 'd' AND i.indisprimary) AS replica_identity,
       class.relispartition AS partition,
       -- The constraint it backs, else a foreign key that relies on it.
       coalesce((SELECT c.conname::text FROM pg_catalog.pg_constraint AS c
                 WHERE c.conindid = i.indexrelid
                 ORDER BY (c.contype = 'f'), c.oid LIMIT 1), '') AS "constraint",
       -- A process may be seen in the view after it is done with this index, hence the join.
       coalesce((SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index AS p
                 WHERE p.index_relid = i.indexrelid LIMIT 1), 0) AS building_process,
       class.relpages::bigint * current_setting('block_size')::bigint AS bytes,
       coalesce(pg_catalog.pg_stat_get_numscans(i.indexrelid), 0) AS scans
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS class ON class.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_catalog.pg_class AS table_class ON table_class.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS table_namespace ON table_namespace.oid = table_class.relnamespace
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
WHERE namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND namespace.nspname NOT LIKE 'pg\_temp\_%'
  AND namespace.nspname NOT LIKE 'pg\_toast\_temp\_%'
ORDER BY table_namespace.nspname, table_class.relname, class.relname
