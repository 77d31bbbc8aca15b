-- access: read
-- Reads and writes by who does them, from 18 on with their bytes. Rows that never did anything are
-- left out.
SELECT backend_type, object, context,
       reads,
       read_bytes::int8 AS read_bytes,
       read_time AS read_ms,
       writes,
       write_bytes::int8 AS write_bytes,
       write_time AS write_ms,
       extends,
       extend_bytes::int8 AS extend_bytes,
       hits, evictions, fsyncs,
       extract(epoch FROM stats_reset)::float8 AS stats_reset
FROM pg_stat_io
WHERE coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0)
      + coalesce(fsyncs, 0) > 0
