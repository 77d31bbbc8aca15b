-- access: read
-- What stands above the lists of `lyceum top`, in one row: cheap enough for every second. On a
-- replica that has replayed all it received, and is connected, nothing lags; else the age of what
-- it replayed last says how much. Counts are of all databases; what this one asks is among them.
SELECT pg_is_in_recovery()::int::int8 AS in_recovery,
       sessions.used,
       current_setting('max_connections')::int8
         - current_setting('superuser_reserved_connections')::int8
         - coalesce(current_setting('reserved_connections', true)::int8, 0) AS usable,
       sessions.active,
       sessions.waiting_for_lock,
       work.commits,
       work.rollbacks,
       work.blocks_hit,
       work.blocks_read,
       (CASE WHEN pg_is_in_recovery()
             THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
             ELSE pg_current_wal_lsn() END - '0/0')::int8 AS wal_bytes,
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()
                 AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8
         AS lag_seconds,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_seconds
FROM (
  SELECT count(*)::int8 AS used,
         count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid())::int8 AS active,
         count(*) FILTER (WHERE wait_event_type = 'Lock')::int8 AS waiting_for_lock
  FROM pg_stat_activity
  WHERE backend_type = 'client backend'
     OR backend_type IS NULL AND datid IS NOT NULL  -- hidden from who may not read all statistics
) sessions
CROSS JOIN (
  SELECT sum(xact_commit)::int8 AS commits,
         sum(xact_rollback)::int8 AS rollbacks,
         sum(blks_hit)::int8 AS blocks_hit,
         sum(blks_read)::int8 AS blocks_read
  FROM pg_stat_database
) work
