-- access: read
-- What makes these indexes ($1 bigint[]: their oids). The server locks a table to tell it: what is
-- locked against that is left out, and asked for another time.
SELECT pg_index.indexrelid::int8 AS text_of,
       pg_get_indexdef(pg_index.indexrelid) AS text
FROM pg_index
WHERE pg_index.indexrelid = ANY ($1::oid[])
  AND pg_index.indrelid NOT IN (
    SELECT relation
    FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
