-- access: read
-- Who follows this server, and how far behind. A replica that is followed sends what it has
-- received.
SELECT replication.application_name AS application,
       replication.pid::int8 AS pid,
       replication.state,
       replication.sync_state,
       greatest(here.position - replication.sent_lsn, 0)::int8 AS sent_lag_bytes,
       greatest(here.position - replication.flush_lsn, 0)::int8 AS flush_lag_bytes,
       greatest(here.position - replication.replay_lsn, 0)::int8 AS replay_lag_bytes,
       extract(epoch FROM replication.replay_lag)::float8 AS replay_lag_seconds
FROM pg_stat_replication replication
CROSS JOIN (
  SELECT CASE WHEN pg_is_in_recovery()
              THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
              ELSE pg_current_wal_lsn() END AS position
) here
