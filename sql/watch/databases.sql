-- access: read
-- Size and work of each database. Who may neither connect to one nor read all statistics is not
-- told its size: hidden.
SELECT base.datname::text AS database,
       CASE WHEN may.see THEN pg_database_size(base.oid) END AS size_bytes,
       figures.numbackends::int8 AS connections,
       figures.xact_commit AS commits,
       figures.xact_rollback AS rollbacks,
       figures.blks_hit AS blocks_hit,
       figures.blks_read AS blocks_read,
       figures.tup_returned AS tuples_returned,
       figures.tup_fetched AS tuples_fetched,
       figures.tup_inserted AS tuples_inserted,
       figures.tup_updated AS tuples_updated,
       figures.tup_deleted AS tuples_deleted,
       figures.temp_files,
       figures.temp_bytes,
       figures.deadlocks,
       figures.conflicts,
       figures.checksum_failures,
       figures.blk_read_time AS block_read_ms,
       figures.blk_write_time AS block_write_ms,
       extract(epoch FROM figures.stats_reset)::float8 AS stats_reset,
       (NOT may.see)::int::int8 AS hidden
FROM pg_database base
JOIN pg_stat_database figures ON figures.datid = base.oid
CROSS JOIN LATERAL (
  SELECT has_database_privilege(base.oid, 'CONNECT')
         OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS see
) may
