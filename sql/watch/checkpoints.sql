-- access: read
-- Checkpoints (on a replica: restart points) and the background writer, up to 16.
SELECT checkpoints_timed AS timed,
       checkpoints_req AS requested,
       checkpoint_write_time AS write_ms,
       checkpoint_sync_time AS sync_ms,
       buffers_checkpoint,
       buffers_clean,
       maxwritten_clean,
       buffers_backend,
       buffers_alloc,
       extract(epoch FROM stats_reset)::float8 AS stats_reset
FROM pg_stat_bgwriter
