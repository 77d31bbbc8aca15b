-- access: read
-- What decides which statements can be asked here, and what of their answers is hidden. One row.
-- What is preloaded is known only to who may read all settings.
SELECT current_user::text AS "role",
       current_database()::text AS "database",
       pg_is_in_recovery() AS in_recovery,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       may.read_statistics AS reads_statistics,
       may.read_settings AS reads_settings,
       CASE WHEN may.read_settings
            THEN current_setting('shared_preload_libraries') END AS preloaded,
       coalesce(extension.extversion::text, '') AS statements_version,
       coalesce(schema.nspname::text, '') AS statements_schema
FROM (SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS read_statistics,
             pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS read_settings) may
LEFT JOIN pg_extension extension ON extension.extname = 'pg_stat_statements'
LEFT JOIN pg_namespace schema ON schema.oid = extension.extnamespace
