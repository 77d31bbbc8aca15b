-- access: read
-- The server itself. The timeline is of the last checkpoint, which on a replica is its last restart
-- point.
SELECT current_setting('server_version_num')::int8 AS version,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       pg_is_in_recovery()::int::int8 AS in_recovery,
       (SELECT timeline_id::int8 FROM pg_control_checkpoint()) AS timeline,
       (SELECT extversion::text FROM pg_extension WHERE extname = 'pg_stat_statements')
         AS statements_version,
       (current_setting('track_io_timing') = 'on')::int::int8 AS track_io_timing,
       (current_setting('autovacuum') = 'on')::int::int8 AS autovacuum
