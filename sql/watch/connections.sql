-- access: read
-- Client backends against what the server allows them. This one holds a place like any other, so it
-- is used, but what it does is not worth telling. reserved_connections is there from 16 on.
SELECT count(*)::int8 AS used,
       current_setting('max_connections')::int8
         - current_setting('superuser_reserved_connections')::int8
         - coalesce(current_setting('reserved_connections', true)::int8, 0) AS usable,
       current_setting('max_connections')::int8 AS max,
       count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid())::int8 AS active,
       count(*) FILTER (WHERE state = 'idle')::int8 AS idle,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int8 AS idle_in_transaction,
       count(*) FILTER (WHERE wait_event_type = 'Lock')::int8 AS waiting_for_lock
FROM pg_stat_activity
WHERE backend_type = 'client backend'
   OR backend_type IS NULL AND datid IS NOT NULL  -- hidden from who may not read all statistics
