-- access: read
-- Who follows this server, and how far behind. A replica that is followed sends what it has
-- received.
SELECT follower.application_name AS application,
       follower.pid::int8 AS pid,
       follower.state,
       follower.sync_state,
       (greatest(here.position, follower.sent_lsn) - follower.sent_lsn)::int8 AS sent_lag_bytes,
       (greatest(here.position, follower.flush_lsn) - follower.flush_lsn)::int8 AS flush_lag_bytes,
       (greatest(here.position, follower.replay_lsn) - follower.replay_lsn)::int8 AS replay_lag_bytes,
       extract(epoch FROM follower.replay_lag)::float8 AS replay_lag_seconds
FROM pg_stat_replication follower
CROSS JOIN (
  SELECT CASE WHEN pg_is_in_recovery()
              THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
              ELSE pg_current_wal_lsn() END AS position
) here
