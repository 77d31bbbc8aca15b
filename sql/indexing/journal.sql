-- access: read
-- All unfinished builds, and the latest of each name otherwise: what recovery and the comparison
-- with what was declared need.
SELECT DISTINCT ON (schema, name, state IN ('building', 'built', 'swapped', 'failed'), build_name)
       id, schema, name, build_name, table_oid, declared, definition, state, index_oid, replaced_oid
FROM lyceum.index_builds
WHERE state <> 'abandoned'
ORDER BY schema, name, state IN ('building', 'built', 'swapped', 'failed'), build_name, id DESC
