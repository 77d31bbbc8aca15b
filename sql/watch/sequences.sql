-- access: read
-- Sequences against what they can hold: their own limits, and those of the column that owns them or
-- takes its default from them, whichever is narrower. Reading a sequence waits for who has locked
-- it: one that is locked is told without its value. One that starts again at its end never runs
-- out. Who may not read one is told nothing of it: hidden.
WITH locked AS MATERIALIZED (
  SELECT relation
  FROM pg_locks
  WHERE locktype = 'relation'
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), filled AS MATERIALIZED (
  SELECT DISTINCT ON (sequence) sequence, relation, number, least_value, most_value
  FROM (
    SELECT objid AS sequence, refobjid AS relation, refobjsubid AS number, 1 AS rank
    FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
      AND deptype IN ('a', 'i') AND refobjsubid > 0
      AND objid IN (SELECT seqrelid FROM pg_sequence)
    UNION ALL
    SELECT pg_depend.refobjid, pg_attrdef.adrelid, pg_attrdef.adnum, 2
    FROM pg_depend
    JOIN pg_attrdef ON pg_attrdef.oid = pg_depend.objid
    WHERE pg_depend.classid = 'pg_attrdef'::regclass AND pg_depend.refclassid = 'pg_class'::regclass
      AND pg_depend.refobjid IN (SELECT seqrelid FROM pg_sequence)
  ) place
  JOIN pg_attribute ON attrelid = relation AND attnum = number
  JOIN pg_type ON pg_type.oid = atttypid
  CROSS JOIN LATERAL (
    SELECT CASE coalesce(nullif(typbasetype, 0), pg_type.oid)
             WHEN 'int2'::regtype THEN 32767
             WHEN 'int4'::regtype THEN 2147483647
             ELSE 9223372036854775807 END AS most_value
  ) holds
  CROSS JOIN LATERAL (SELECT -most_value - 1 AS least_value) also
  ORDER BY sequence, rank, most_value
)
SELECT schema.nspname::text AS schemaname,
       sequence.relname::text AS sequencename,
       coalesce((SELECT nspname || '.' || relname || '.' || attname
                 FROM pg_class
                 JOIN pg_namespace ON pg_namespace.oid = relnamespace
                 JOIN pg_attribute ON attrelid = pg_class.oid AND attnum = filled.number
                 WHERE pg_class.oid = filled.relation), '') AS "column",
       position.last_value,
       CASE WHEN seqincrement > 0 THEN span.most_value ELSE span.least_value END AS limit_value,
       CASE WHEN NOT seqcycle AND position.last_value IS NOT NULL
            THEN least(greatest(
                   (CASE WHEN seqincrement > 0 THEN position.last_value::float8 - span.least_value
                         ELSE span.most_value::float8 - position.last_value END)
                   / nullif(span.most_value::float8 - span.least_value, 0), 0), 1) END AS used,
       (NOT may.see)::int::int8 AS hidden
FROM pg_sequence
JOIN pg_class sequence ON sequence.oid = seqrelid
JOIN pg_namespace schema ON schema.oid = sequence.relnamespace
LEFT JOIN filled ON filled.sequence = seqrelid
CROSS JOIN LATERAL (
  SELECT greatest(seqmin, filled.least_value) AS least_value,
         least(seqmax, filled.most_value) AS most_value
) span
CROSS JOIN LATERAL (
  SELECT has_sequence_privilege(seqrelid, 'SELECT, USAGE') AS see
) may
CROSS JOIN LATERAL (
  SELECT CASE WHEN may.see
               AND seqrelid NOT IN (SELECT relation FROM locked)
               AND (sequence.relpersistence = 'p' OR NOT pg_is_in_recovery())
              THEN pg_sequence_last_value(seqrelid) END AS last_value
) position
WHERE sequence.relpersistence <> 't'
