-- access: read
SELECT current_user::text AS role,
       pg_is_in_recovery() AS in_recovery,
       coalesce((SELECT stats_reset::text FROM pg_catalog.pg_stat_database
                 WHERE datname = current_database()), '') AS statistics_since
