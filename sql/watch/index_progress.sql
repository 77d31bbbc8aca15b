-- access: read
-- Index builds under way. A phase counts lockers, blocks or rows; one that counts nothing is told
-- without a share.
SELECT progress.pid::int8 AS pid,
       progress.datname::text AS database,
       coalesce(schema.nspname || '.' || relation.relname, progress.relid::text) AS relation,
       progress.command,
       progress.phase,
       CASE WHEN progress.phase LIKE 'waiting for%'
            THEN progress.lockers_done::float8 / nullif(progress.lockers_total, 0)
            WHEN progress.blocks_total > 0
            THEN progress.blocks_done::float8 / progress.blocks_total
            ELSE progress.tuples_done::float8 / nullif(progress.tuples_total, 0) END AS done,
       extract(epoch FROM clock_timestamp() - activity.query_start)::float8
         AS running_seconds
FROM pg_stat_progress_create_index progress
LEFT JOIN pg_stat_activity activity ON activity.pid = progress.pid
LEFT JOIN pg_class relation
  ON relation.oid = progress.relid AND progress.datname = current_database()
LEFT JOIN pg_namespace schema ON schema.oid = relation.relnamespace
