-- access: read
-- Archiving of the log. A replica archives where archive_mode is always.
SELECT CASE WHEN pg_is_in_recovery() THEN (mode = 'always') ELSE (mode <> 'off') END::int::int8
         AS archiving,
       archived_count AS archived,
       failed_count AS failed,
       extract(epoch FROM clock_timestamp() - last_archived_time)::float8
         AS seconds_since_archived,
       extract(epoch FROM clock_timestamp() - last_failed_time)::float8
         AS seconds_since_failed,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)::int::int8
         AS failing,
       extract(epoch FROM stats_reset)::float8 AS stats_reset
FROM pg_stat_archiver
CROSS JOIN (SELECT current_setting('archive_mode') AS mode) setting
