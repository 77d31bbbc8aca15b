-- access: read
-- How this replica follows; nothing on a primary. Who may not read all statistics sees only that
-- there is a receiver.
SELECT (receiver.pid IS NOT NULL AND coalesce(receiver.status = 'streaming', true))::int::int8
         AS receiving,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused()::int::int8 END AS replay_paused,
       (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        - pg_last_wal_replay_lsn())::int8
         AS received_not_replayed_bytes,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
         AS replayed_seconds_ago
FROM (VALUES (1)) one
LEFT JOIN pg_stat_wal_receiver receiver ON true
WHERE pg_is_in_recovery()
