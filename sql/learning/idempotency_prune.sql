-- access: write
-- uses: idx_idempotency_keys_created
-- Removes the oldest of the tenant's idempotency keys that are older than they are kept. How many.
-- $1 float8: seconds they are kept
-- $2 integer: rows at most
-- A key that a request is using at this moment is passed over, so that neither waits.
WITH old AS MATERIALIZED (
  SELECT k.key
  FROM idempotency_keys k
  WHERE k.created_at < (SELECT now() - make_interval(secs => $1::float8))
  ORDER BY k.created_at
  LIMIT $2::integer
  FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM idempotency_keys k
  WHERE k.key = ANY (ARRAY(SELECT o.key FROM old o))
  RETURNING 1
)
SELECT count(*) FROM removed
