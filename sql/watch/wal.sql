-- access: read
-- How far the log has come. What was written into it is counted from 14 on.
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0')::int8 AS position_bytes,
       NULL::int8 AS records,
       NULL::int8 AS full_page_images,
       NULL::int8 AS bytes,
       NULL::int8 AS buffers_full
