-- access: read
-- Who waits for a lock, and whom for; and who is waited for. The tree is made of the edges
-- (watch/lock_tree.h). pg_blocking_pids() stops all locking for a moment, so at most 200 are asked
-- for, the longest waiting first. A blocker without a process is a prepared transaction: pid 0.
-- waitstart is empty for a moment after the wait began.
WITH waiting AS MATERIALIZED (
  SELECT waiting.pid, waiting.locktype, waiting.mode, waiting.database, waiting.relation,
         coalesce(waiting.waitstart, activity.state_change) AS since,
         pg_blocking_pids(waiting.pid) AS blocked_by
  FROM pg_locks waiting
  JOIN pg_stat_activity activity ON activity.pid = waiting.pid
  WHERE NOT waiting.granted
  ORDER BY since
  LIMIT 200
), involved AS (
  SELECT pid FROM waiting
  UNION
  SELECT unnest(blocked_by) FROM waiting
)
SELECT involved.pid::int8 AS pid,
       coalesce(array_to_string(ARRAY(SELECT DISTINCT unnest(waiting.blocked_by) ORDER BY 1), ','),
                '') AS blocked_by,
       extract(epoch FROM clock_timestamp() - waiting.since)::float8
         AS waiting_seconds,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8
         AS transaction_seconds,
       activity.datname::text AS database,
       activity.usename::text AS "user",
       activity.application_name AS application,
       CASE WHEN involved.pid = 0 THEN 'prepared' ELSE activity.state END AS state,
       waiting.locktype AS lock_type,
       waiting.mode,
       coalesce(schema.nspname || '.' || relation.relname, waiting.relation::text) AS relation,
       left(activity.query, 500) AS query
FROM involved
LEFT JOIN waiting ON waiting.pid = involved.pid
LEFT JOIN pg_stat_activity activity ON activity.pid = involved.pid
LEFT JOIN pg_class relation
  ON relation.oid = waiting.relation
 AND waiting.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
LEFT JOIN pg_namespace schema ON schema.oid = relation.relnamespace
