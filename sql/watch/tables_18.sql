-- access: read
-- Tables: what was done to them, and dead rows against what triggers a vacuum of that very table.
-- The thresholds are those of autovacuum.c (relation_needs_vacanalyze of 18): options of the table
-- before settings, a table that was never counted (reltuples -1) has none, comparisons are "more
-- than". Sizes are by pages as of the last vacuum or analyze: asking the files would wait for who
-- has locked a table. TOAST tables are vacuumed by thresholds of their own and are not counted in;
-- their age is, since they hold back the same horizon.
WITH setting AS MATERIALIZED (
  SELECT current_setting('block_size')::int8 AS block_size,
         current_setting('autovacuum_vacuum_threshold')::float8 AS vacuum_base,
         current_setting('autovacuum_vacuum_scale_factor')::float8 AS vacuum_scale,
         current_setting('autovacuum_vacuum_max_threshold')::float8 AS vacuum_most,
         current_setting('autovacuum_vacuum_insert_threshold')::float8 AS insert_base,
         current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS insert_scale,
         current_setting('autovacuum_analyze_threshold')::float8 AS analyze_base,
         current_setting('autovacuum_analyze_scale_factor')::float8 AS analyze_scale,
         extract(epoch FROM pg_stat_get_db_stat_reset_time(oid))::float8 AS stats_reset
  FROM pg_database
  WHERE datname = current_database()
), used AS MATERIALIZED (
  SELECT pg_index.indrelid,
         sum(pg_stat_get_numscans(pg_index.indexrelid)) AS scans,
         sum(pg_stat_get_tuples_fetched(pg_index.indexrelid)) AS fetched,
         sum(pg_class.relpages::int8) AS pages
  FROM pg_index
  JOIN pg_class ON pg_class.oid = pg_index.indexrelid
  GROUP BY pg_index.indrelid
)
SELECT schema.nspname::text AS schemaname,
       main.relname::text AS relname,
       pg_stat_get_tuples_inserted(main.oid) AS inserts,
       pg_stat_get_tuples_updated(main.oid) AS updates,
       pg_stat_get_tuples_hot_updated(main.oid) AS hot_updates,
       pg_stat_get_tuples_deleted(main.oid) AS deletes,
       pg_stat_get_live_tuples(main.oid) AS live_tuples,
       pg_stat_get_dead_tuples(main.oid) AS dead_tuples,
       pg_stat_get_mod_since_analyze(main.oid) AS modified_since_analyze,
       pg_stat_get_ins_since_vacuum(main.oid) AS inserted_since_vacuum,
       CASE WHEN trigger.vacuum_most >= 0
            THEN least(trigger.vacuum_most,
                       trigger.vacuum_base + trigger.vacuum_scale * main.counted)
            ELSE trigger.vacuum_base + trigger.vacuum_scale * main.counted END AS vacuum_threshold,
       CASE WHEN trigger.insert_base >= 0
            THEN trigger.insert_base + trigger.insert_scale * main.counted
                 * CASE WHEN main.relpages > 0
                        THEN 1 - least(greatest(main.relallfrozen, 0), main.relpages)::float8
                                 / main.relpages
                        ELSE 1 END
            END AS insert_threshold,
       trigger.analyze_base + trigger.analyze_scale * main.counted AS analyze_threshold,
       (trigger.enabled AND current_setting('autovacuum') = 'on')::int::int8 AS autovacuum_enabled,
       extract(epoch FROM time.vacuumed)::float8 AS last_vacuum,
       extract(epoch FROM time.autovacuumed)::float8 AS last_autovacuum,
       extract(epoch FROM pg_stat_get_last_analyze_time(main.oid))::float8 AS last_analyze,
       extract(epoch FROM pg_stat_get_last_autoanalyze_time(main.oid))::float8 AS last_autoanalyze,
       extract(epoch FROM clock_timestamp() - time.vacuumed)::float8 AS seconds_since_vacuum,
       extract(epoch FROM clock_timestamp() - time.autovacuumed)::float8
         AS seconds_since_autovacuum,
       pg_stat_get_vacuum_count(main.oid) AS vacuums,
       pg_stat_get_autovacuum_count(main.oid) AS autovacuums,
       pg_stat_get_numscans(main.oid) AS seq_scans,
       pg_stat_get_tuples_returned(main.oid) AS seq_rows_read,
       coalesce(used.scans, 0)::int8 AS idx_scans,
       (coalesce(used.fetched, 0) + pg_stat_get_tuples_fetched(main.oid))::int8 AS idx_rows_fetched,
       main.relpages * setting.block_size AS size_bytes,
       coalesce(used.pages, 0)::int8 * setting.block_size AS indexes_bytes,
       coalesce(toast.relpages, 0) * setting.block_size AS toast_bytes,
       greatest(age(nullif(main.relfrozenxid::text, '0')::xid),
                age(nullif(toast.relfrozenxid::text, '0')::xid))::int8 AS xid_age,
       greatest(mxid_age(nullif(main.relminmxid::text, '0')::xid),
                mxid_age(nullif(toast.relminmxid::text, '0')::xid))::int8 AS multixact_age,
       setting.stats_reset AS stats_reset
FROM setting
CROSS JOIN (
  SELECT pg_class.*, greatest(reltuples, 0)::float8 AS counted
  FROM pg_class
  WHERE relkind IN ('r', 'm', 'p')
) main
JOIN pg_namespace schema ON schema.oid = main.relnamespace
LEFT JOIN pg_class toast ON toast.oid = nullif(main.reltoastrelid, 0)
LEFT JOIN used ON used.indrelid = main.oid
LEFT JOIN LATERAL (
  SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold')
           AS vacuum_base,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor')
           AS vacuum_scale,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_max_threshold')
           AS vacuum_most,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_threshold')
           AS insert_base,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_insert_scale_factor')
           AS insert_scale,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_threshold')
           AS analyze_base,
         max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_scale_factor')
           AS analyze_scale
  FROM pg_options_to_table(main.reloptions)
) own ON main.reloptions IS NOT NULL
CROSS JOIN LATERAL (
  SELECT coalesce(own.enabled::bool, true) AS enabled,
         coalesce(own.vacuum_base::float8, setting.vacuum_base) AS vacuum_base,
         coalesce(own.vacuum_scale::float8, setting.vacuum_scale) AS vacuum_scale,
         coalesce(own.vacuum_most::float8, setting.vacuum_most) AS vacuum_most,
         coalesce(own.insert_base::float8, setting.insert_base) AS insert_base,
         coalesce(own.insert_scale::float8, setting.insert_scale) AS insert_scale,
         coalesce(own.analyze_base::float8, setting.analyze_base) AS analyze_base,
         coalesce(own.analyze_scale::float8, setting.analyze_scale) AS analyze_scale
) trigger
CROSS JOIN LATERAL (
  SELECT pg_stat_get_last_vacuum_time(main.oid) AS vacuumed,
         pg_stat_get_last_autovacuum_time(main.oid) AS autovacuumed
) time
WHERE schema.nspname NOT IN ('pg_catalog', 'information_schema')
  AND schema.nspname !~ '^pg_toast'
