-- access: read
-- Texts of statements ($1 bigint[]: their queryids), at most 2,000 characters of each. The server
-- reads all texts for it, however few are asked for. extension_schema stands for the schema that
-- the extension is in.
SELECT queryid AS text_of, min(left(query, 2000)) AS text
FROM extension_schema.pg_stat_statements(true)
WHERE queryid = ANY ($1)
  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY queryid
