-- access: write
UPDATE lyceum.index_builds
SET state = $2,
    index_oid = CASE WHEN $3 = 0 THEN index_oid ELSE $3 END,
    definition = CASE WHEN $4 = '' THEN definition ELSE $4 END,
    error = CASE WHEN $5 = '' THEN error ELSE $5 END,
    finished_at = CASE WHEN $2 IN ('done', 'failed', 'abandoned') THEN clock_timestamp() END
WHERE id = $1
