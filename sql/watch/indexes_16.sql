-- access: read
-- Indexes and their use. Those of the system are left out. Definitions are asked for once
-- (index_definitions, by text_of): they cost more than all else here.
WITH setting AS MATERIALIZED (
  SELECT current_setting('block_size')::int8 AS block_size,
         extract(epoch FROM pg_stat_get_db_stat_reset_time(oid))::float8 AS stats_reset
  FROM pg_database
  WHERE datname = current_database()
)
SELECT schema.nspname::text AS schemaname,
       owner.relname::text AS relname,
       index.relname::text AS indexrelname,
       pg_stat_get_numscans(index.oid) AS idx_scan,
       pg_stat_get_tuples_returned(index.oid) AS idx_tup_read,
       pg_stat_get_tuples_fetched(index.oid) AS idx_tup_fetch,
       index.relpages * setting.block_size AS size_bytes,
       extract(epoch FROM pg_stat_get_lastscan(index.oid))::float8 AS last_scan,
       pg_index.indisvalid::int::int8 AS valid,
       (pg_index.indisprimary OR pg_index.indisunique OR pg_index.indisexclusion
        OR pg_index.indisreplident)::int::int8 AS constrains,
       setting.stats_reset AS stats_reset,
       index.oid::int8 AS text_of
FROM setting
CROSS JOIN pg_index
JOIN pg_class index ON index.oid = pg_index.indexrelid
JOIN pg_class owner ON owner.oid = pg_index.indrelid
JOIN pg_namespace schema ON schema.oid = owner.relnamespace
WHERE owner.relkind IN ('r', 'm')
  AND schema.nspname NOT IN ('pg_catalog', 'information_schema')
  AND schema.nspname !~ '^pg_toast'
