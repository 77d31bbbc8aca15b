-- access: read
-- What this database's statements cost, as pg_stat_statements has it from 1.11 on. Without their
-- texts, which are a file that the server would read as a whole: those are asked for once
-- (statement_texts, by text_of). Whose statements are another role's is hidden from who may not
-- read all statistics. extension_schema stands for the schema that the extension is in.
SELECT figures.queryid::text AS queryid,
       coalesce(role.rolname::text, figures.userid::text) AS "user",
       figures.toplevel::int::int8 AS toplevel,
       figures.calls,
       figures.total_exec_time,
       figures.min_exec_time,
       figures.max_exec_time,
       figures.mean_exec_time,
       figures.stddev_exec_time,
       figures.rows,
       100.0::float8 * figures.shared_blks_hit
         / nullif(figures.shared_blks_hit + figures.shared_blks_read, 0) AS hit_percent,
       figures.shared_blks_hit,
       figures.shared_blks_read,
       figures.shared_blks_dirtied,
       figures.shared_blks_written,
       figures.temp_blks_read,
       figures.temp_blks_written,
       figures.shared_blk_read_time AS block_read_ms,
       figures.shared_blk_write_time AS block_write_ms,
       figures.plans,
       figures.total_plan_time,
       figures.wal_bytes::int8 AS wal_bytes,
       (SELECT extract(epoch FROM stats_reset)::float8
        FROM extension_schema.pg_stat_statements_info) AS stats_reset,
       (figures.queryid IS NULL)::int::int8 AS hidden,
       figures.queryid AS text_of
FROM extension_schema.pg_stat_statements(false) figures
LEFT JOIN pg_roles role ON role.oid = figures.userid
WHERE figures.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
