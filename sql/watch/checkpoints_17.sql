-- access: read
-- Checkpoints and the background writer from 17 on, where they have views of their own. Restart
-- points, which a replica makes in their place, are counted apart from then on: added here, so that
-- the figures mean what they did. What backends write stands in pg_stat_io alone.
SELECT checkpointer.num_timed + checkpointer.restartpoints_timed AS timed,
       checkpointer.num_requested + checkpointer.restartpoints_req AS requested,
       checkpointer.write_time AS write_ms,
       checkpointer.sync_time AS sync_ms,
       checkpointer.buffers_written AS buffers_checkpoint,
       writer.buffers_clean,
       writer.maxwritten_clean,
       NULL::int8 AS buffers_backend,
       writer.buffers_alloc,
       extract(epoch FROM greatest(checkpointer.stats_reset, writer.stats_reset))::float8
         AS stats_reset
FROM pg_stat_checkpointer checkpointer
CROSS JOIN pg_stat_bgwriter writer
