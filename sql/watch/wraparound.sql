-- access: read
-- Age of the oldest transaction ids of every database: templates too, whose age counts as well.
SELECT datname::text AS database,
       age(datfrozenxid)::int8 AS xid_age,
       mxid_age(datminmxid)::int8 AS multixact_age,
       current_setting('autovacuum_freeze_max_age')::int8 AS xid_freeze_max_age,
       current_setting('autovacuum_multixact_freeze_max_age')::int8 AS multixact_freeze_max_age
FROM pg_database
