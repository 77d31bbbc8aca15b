-- access: read
-- How far the log has come, and what this server wrote into it.
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0')::int8 AS position_bytes,
       wal_records AS records,
       wal_fpi AS full_page_images,
       wal_bytes::int8 AS bytes,
       wal_buffers_full AS buffers_full,
       extract(epoch FROM stats_reset)::float8 AS stats_reset
FROM pg_stat_wal
