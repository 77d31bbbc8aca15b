-- access: read
-- Who holds back the cleaning of dead rows, and whose transaction is oldest: the ten first by
-- either. A vacuum's own snapshot holds nobody back. A replica's senders and slots hold what it
-- reports by hot_standby_feedback.
WITH held AS MATERIALIZED (
  SELECT activity.pid::text AS holder, 'session' AS kind, activity.datname::text AS database,
         activity.usename::text AS "user", activity.application_name AS application,
         activity.state, activity.xact_start AS began, activity.state_change AS changed,
         CASE WHEN vacuum.pid IS NULL
              THEN greatest(age(activity.backend_xmin), age(activity.backend_xid)) END
           AS snapshot_age,
         left(activity.query, 500) AS query
  FROM pg_stat_activity activity
  LEFT JOIN pg_stat_progress_vacuum vacuum ON vacuum.pid = activity.pid
  WHERE activity.pid <> pg_backend_pid()
    AND activity.backend_type <> 'walsender'
    AND (activity.xact_start IS NOT NULL OR activity.backend_xmin IS NOT NULL)
  UNION ALL
  SELECT gid, 'prepared', database::text, owner::text, NULL, 'prepared', prepared, prepared,
         age(transaction), NULL
  FROM pg_prepared_xacts
  UNION ALL
  SELECT slot_name::text, 'slot', database::text, NULL, NULL,
         CASE WHEN active THEN 'active' ELSE 'inactive' END, NULL, NULL,
         greatest(age(xmin), age(catalog_xmin)), NULL
  FROM pg_replication_slots
  WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
  UNION ALL
  SELECT pid::text, 'standby', NULL, usename::text, application_name, state, NULL, NULL,
         age(backend_xmin), NULL
  FROM pg_stat_replication
  WHERE backend_xmin IS NOT NULL
), ranked AS (
  SELECT held.*,
         row_number() OVER (ORDER BY snapshot_age DESC NULLS LAST, began, holder) AS by_age,
         row_number() OVER (ORDER BY began NULLS LAST, holder) AS by_begin
  FROM held
)
SELECT holder, kind, database, "user", application, state,
       extract(epoch FROM clock_timestamp() - began)::float8 AS transaction_seconds,
       extract(epoch FROM clock_timestamp() - changed)::float8 AS state_seconds,
       snapshot_age::int8 AS snapshot_age,
       (by_age = 1 AND snapshot_age IS NOT NULL)::int::int8 AS holds_oldest,
       query
FROM ranked
WHERE by_age <= 10 OR by_begin <= 10 AND began IS NOT NULL
ORDER BY by_age
