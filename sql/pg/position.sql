-- access: read
-- How far this server has come, as a position that a replica can be compared with. One row, no
-- parameters. lsn is bytes since the beginning of the log: what a replica has replayed; on a primary
-- what is flushed, which is past the commit of every write it has acknowledged, and no further: what
-- is written beside commits may stay unflushed, and unsent, for a while. Where commits do not wait
-- for the flush it is all that has been written. Who may not see the receiver (pg_read_all_stats)
-- gets the timeline of a replica's last restart point, which may be older.
SELECT CASE WHEN pg_is_in_recovery()
            THEN coalesce((SELECT w.received_tli FROM pg_stat_wal_receiver w),
                          (SELECT c.timeline_id FROM pg_control_checkpoint() c))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer
       END AS timeline,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
             WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
             ELSE pg_current_wal_flush_lsn() END - '0/0')::bigint AS lsn
