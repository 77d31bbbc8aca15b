-- access: read
-- Client sessions, counted, but for this one.
SELECT coalesce(datname::text, '') AS database,
       coalesce(state, '') AS state,
       coalesce(wait_event_type, '') AS wait_event_type,
       coalesce(wait_event, '') AS wait_event,
       count(*)::int8 AS connection_count,
       max(extract(epoch FROM clock_timestamp() - state_change))::float8
         AS max_duration_seconds
FROM pg_stat_activity
WHERE (backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)
  AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4
