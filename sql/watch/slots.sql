-- access: read
-- Replication slots and the log that they keep. Up to 15.
SELECT slot.slot_name::text AS slot,
       slot.slot_type AS type,
       slot.database::text AS database,
       slot.active::int::int8 AS active,
       slot.wal_status,
       slot.safe_wal_size,
       (greatest(here.position, slot.restart_lsn) - slot.restart_lsn)::int8 AS retained_bytes,
       NULL::float8 AS inactive_since,
       NULL::text AS invalidation_reason
FROM pg_replication_slots slot
CROSS JOIN (
  SELECT CASE WHEN pg_is_in_recovery()
              THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
              ELSE pg_current_wal_lsn() END AS position
) here
