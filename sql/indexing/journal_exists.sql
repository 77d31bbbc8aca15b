-- access: read
-- Whether there is a journal, and whether this role may read it.
SELECT to_regclass('lyceum.index_builds') IS NOT NULL AS exists,
       coalesce(has_schema_privilege(to_regnamespace('lyceum'), 'USAGE')
                AND has_table_privilege(to_regclass('lyceum.index_builds'), 'SELECT'), false) AS readable,
       to_regnamespace('lyceum') IS NOT NULL AS schema_exists
