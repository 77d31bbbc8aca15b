-- access: read
-- The transactions of this database that a concurrent build will wait for, oldest first: those
-- that hold a snapshot or have written. $1: the ages, in seconds, that are worth a word.
SELECT pid AS process,
       coalesce(usename::text, '') AS "user",
       coalesce(application_name, '') AS application,
       coalesce(state, '') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::bigint AS age,
       coalesce(xact_start::text, '') AS transaction_start,
       coalesce(query_start::text, '') AS query_start,
       coalesce(left(query, 200), '') AS query
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
  AND backend_type <> 'autovacuum worker'
  AND clock_timestamp() - xact_start > make_interval(secs => $1)
ORDER BY xact_start
LIMIT 5
