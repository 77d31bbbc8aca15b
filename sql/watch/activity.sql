-- access: read
-- Sessions one by one, for `lyceum top`: at most 500, those that do something first, the longest
-- before the others. pg_blocking_pids() stops all locking for a moment, so only those are asked for
-- who wait for a lock, and at most 200. A blocker without a process is a prepared transaction:
-- pid 0.
WITH waiting AS MATERIALIZED (
  SELECT pid, pg_blocking_pids(pid) AS blocked_by
  FROM (
    SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' ORDER BY query_start LIMIT 200
  ) first
)
SELECT activity.pid::int8 AS pid,
       activity.datname::text AS database,
       activity.usename::text AS "user",
       activity.application_name AS application,
       coalesce(host(activity.client_addr), CASE WHEN client_port = -1 THEN 'local' END) AS client,
       activity.backend_type,
       coalesce(activity.state, '') AS state,
       coalesce(activity.wait_event_type || ':' || activity.wait_event, '') AS wait,
       extract(epoch FROM clock_timestamp()
         - CASE WHEN activity.state = 'active' THEN activity.query_start
                ELSE activity.state_change END)::float8 AS seconds,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8 AS transaction_seconds,
       coalesce(array_to_string(ARRAY(SELECT DISTINCT unnest(waiting.blocked_by) ORDER BY 1), ','),
                '') AS blocked_by,
       left(activity.query, 1000) AS query
FROM pg_stat_activity activity
LEFT JOIN waiting USING (pid)
WHERE activity.pid <> pg_backend_pid()
  AND activity.datid IS NOT NULL
ORDER BY coalesce(activity.state, '') IN ('idle', ''),
         coalesce(activity.xact_start, activity.state_change) NULLS LAST, activity.pid
LIMIT 500
