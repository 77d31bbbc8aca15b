-- access: read
-- How far this server has come, as a position that a replica can be compared with: on a primary the
-- end of the last record written, which is past the commit of every write it has acknowledged; on a
-- replica what it has replayed. One row, no parameters. lsn is bytes since the beginning of the log.
-- The place where a primary writes next stands behind a page's header where a record has just ended
-- with the page before; a replica is never there, so the header is taken off (24 bytes, and 40 on
-- the first page of a segment: SizeOfXLogShortPHD, SizeOfXLogLongPHD). Who may not see the receiver
-- (pg_read_all_stats) gets the timeline of a replica's last restart point, which may be older.
SELECT CASE WHEN here.recovering
            THEN coalesce((SELECT w.received_tli FROM pg_stat_wal_receiver w),
                          (SELECT c.timeline_id FROM pg_control_checkpoint() c))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
       END AS timeline,
       here.lsn - CASE WHEN here.recovering THEN 0
                       WHEN here.lsn % pg_size_bytes(current_setting('wal_segment_size')) = 40 THEN 40
                       WHEN here.lsn % current_setting('wal_block_size')::bigint = 24 THEN 24
                       ELSE 0 END AS lsn
FROM (SELECT at.recovering,
             (CASE WHEN at.recovering THEN pg_last_wal_replay_lsn()
                   ELSE pg_current_wal_insert_lsn() END - '0/0')::bigint AS lsn
      FROM (SELECT pg_is_in_recovery() AS recovering) at) here
