-- access: read
-- What this server is, and how far it has come. One row; the latency is the caller's to measure.
-- No parameters. Positions are bytes since the beginning of the log, so that they subtract.
-- lag_seconds is NULL on a primary, and NULL on a replica that has replayed nothing since its
-- start or is not receiving: then nothing is known. It stays at 0 on a replica that has replayed
-- all it has received, whether its primary is idle or not.
SELECT recovering.yes AS in_recovery,
       CASE WHEN recovering.yes
            THEN coalesce(receiver.received_tli, (pg_control_checkpoint()).timeline_id)
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
       END AS timeline,
       (CASE WHEN recovering.yes THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0')::bigint AS lsn,
       (CASE WHEN recovering.yes THEN pg_last_wal_receive_lsn() END - '0/0')::bigint AS received_lsn,
       CASE WHEN recovering.yes THEN receiver.pid IS NOT NULL END AS receiving,
       CASE WHEN NOT recovering.yes OR receiver.pid IS NULL THEN NULL
            WHEN pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
       END AS lag_seconds,
       current_setting('transaction_read_only')::boolean AS read_only,
       current_setting('server_version_num')::integer AS server_version_num,
       pg_postmaster_start_time() AS started_at,
       clock_timestamp() AS server_time
FROM (SELECT pg_is_in_recovery()) AS recovering (yes)
LEFT JOIN pg_stat_wal_receiver receiver ON true
