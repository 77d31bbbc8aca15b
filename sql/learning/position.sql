-- access: read
-- How far this server has come: the end of what is written to the log on a primary, which is past
-- the commit of every write it has acknowledged, and what has been replayed on a replica. One row.
-- No parameters. lsn is bytes since the beginning of the log.
SELECT CASE WHEN recovering.yes
            THEN coalesce((SELECT w.received_tli FROM pg_stat_wal_receiver w),
                          (SELECT c.timeline_id FROM pg_control_checkpoint() c))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
       END AS timeline,
       (CASE WHEN recovering.yes THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
        - '0/0')::bigint AS lsn
FROM (SELECT pg_is_in_recovery()) AS recovering (yes)
