-- access: read
-- Who holds the lock that keeps two applies apart.
SELECT activity.pid AS process,
       coalesce(activity.usename::text, '') AS "user",
       coalesce(activity.application_name, '') AS application,
       coalesce(activity.client_addr::text, 'a local socket') AS client,
       coalesce(activity.backend_start::text, '') AS since
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND held.classid = $1::int::bigint::oid AND held.objid = $2::int::bigint::oid AND held.objsubid = 2
LIMIT 1
