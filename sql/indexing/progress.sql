-- access: read
-- How far the builder ($1) is and whom it waits for: the backend that the server names, else the
-- first that blocks it.
SELECT coalesce(progress.phase, '') AS phase,
       coalesce(progress.blocks_done, 0) AS blocks_done,
       coalesce(progress.blocks_total, 0) AS blocks_total,
       coalesce(progress.tuples_done, 0) AS tuples_done,
       coalesce(progress.tuples_total, 0) AS tuples_total,
       coalesce(progress.lockers_done, 0) AS lockers_done,
       coalesce(progress.lockers_total, 0) AS lockers_total,
       coalesce(progress.index_relid, 0)::bigint AS index_oid,
       coalesce(activity.wait_event_type = 'Lock' AND activity.wait_event = 'relation', false)
         AS waits_for_table,
       coalesce(blocker.pid, 0) AS blocker,
       coalesce(blocker.usename::text, '') AS blocker_user,
       coalesce(blocker.application_name, '') AS blocker_application,
       coalesce(blocker.state, '') AS blocker_state,
       coalesce(extract(epoch FROM clock_timestamp() - blocker.xact_start), 0)::bigint
         AS blocker_transaction_age,
       coalesce(blocker.xact_start::text, '') AS blocker_transaction_start,
       coalesce(blocker.query_start::text, '') AS blocker_query_start,
       coalesce(left(blocker.query, 200), '') AS blocker_query
FROM pg_catalog.pg_stat_activity AS activity
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS progress ON progress.pid = activity.pid
LEFT JOIN pg_catalog.pg_stat_activity AS blocker
  ON blocker.pid = CASE WHEN activity.wait_event_type = 'Lock'
                        THEN coalesce(nullif(progress.current_locker_pid, 0)::int,
                                      (pg_blocking_pids(activity.pid))[1]) END
WHERE activity.pid = $1
