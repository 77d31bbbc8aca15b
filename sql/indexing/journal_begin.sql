-- access: write
-- Written before the build starts: what is found after an interruption is then known to be ours.
INSERT INTO lyceum.index_builds
  (schema, name, build_name, table_oid, declared, state, builder, builder_start, replaced_oid)
SELECT $1, $2, $3, $4, $5, 'building', $6,
       (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = $6), $7
RETURNING id
