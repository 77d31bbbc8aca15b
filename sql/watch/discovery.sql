-- access: read
-- The databases of this server that are somebody's, and whether this role may connect there.
SELECT datname::text AS database,
       has_database_privilege(oid, 'CONNECT') AS allowed
FROM pg_database
WHERE datallowconn AND NOT datistemplate
ORDER BY datname
