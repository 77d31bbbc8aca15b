-- access: read
-- Reads and writes by who does them: in 16 and 17 all of them are of op_bytes each. Rows that never
-- did anything are left out.
SELECT backend_type, object, context,
       reads,
       reads * op_bytes AS read_bytes,
       read_time AS read_ms,
       writes,
       writes * op_bytes AS write_bytes,
       write_time AS write_ms,
       extends,
       extends * op_bytes AS extend_bytes,
       hits, evictions, fsyncs,
       extract(epoch FROM stats_reset)::float8 AS stats_reset
FROM pg_stat_io
WHERE coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0)
      + coalesce(fsyncs, 0) > 0
