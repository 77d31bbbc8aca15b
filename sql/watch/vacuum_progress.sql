-- access: read
-- Vacuums under way. A table of another database has only its number here.
SELECT progress.pid::int8 AS pid,
       progress.datname::text AS database,
       coalesce(schema.nspname || '.' || relation.relname, progress.relid::text) AS relation,
       (activity.backend_type = 'autovacuum worker')::int::int8 AS automatic,
       progress.phase,
       progress.heap_blks_total AS blocks_total,
       progress.heap_blks_scanned AS blocks_scanned,
       progress.heap_blks_vacuumed AS blocks_vacuumed,
       progress.index_vacuum_count AS index_passes,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8
         AS running_seconds
FROM pg_stat_progress_vacuum progress
LEFT JOIN pg_stat_activity activity ON activity.pid = progress.pid
LEFT JOIN pg_class relation
  ON relation.oid = progress.relid AND progress.datname = current_database()
LEFT JOIN pg_namespace schema ON schema.oid = relation.relnamespace
