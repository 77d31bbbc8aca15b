-- access: read
-- What this server is and how far it has come, for whoever chooses among servers. One row, no
-- parameters. Positions are bytes since the beginning of the log. The timeline of a replica is its
-- receiver's; who may not see that (pg_read_all_stats), or where nothing is received, gets the one
-- of the last restart point, which may be older.
SELECT here.recovering AS in_recovery,
       current_setting('transaction_read_only')::boolean AND NOT here.recovering AS read_only,
       CASE WHEN here.recovering
            THEN greatest(receiver.received_tli, (pg_control_checkpoint()).timeline_id)
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
       END AS timeline,
       (CASE WHEN here.recovering THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0')::bigint AS lsn,
       (CASE WHEN here.recovering THEN pg_last_wal_receive_lsn() END - '0/0')::bigint AS received_lsn,
       receiver.pid IS NOT NULL AS receiving,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
         AS replayed_seconds_ago,
       (pg_control_system()).system_identifier AS system_identifier,
       pg_postmaster_start_time() AS started_at,
       (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database) AS connections,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('server_version_num')::integer AS server_version_num
FROM (SELECT pg_is_in_recovery() AS recovering) here
LEFT JOIN pg_stat_wal_receiver receiver ON true
