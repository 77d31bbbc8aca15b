-- access: write
-- Stores sessions, all of a batch or nothing. Always one row.
-- $1 uuid[]: sessions
-- $2 uuid[]: learners
-- $3 timestamptz[]: starts
-- $4 timestamptz[]: ends, NULL where there is none yet
-- $5 integer[]: minutes, not negative
-- The arrays are read in step. Rows of one id are merged first, and written in the order of their
-- keys, so that two batches cannot wait for each other. Nothing is written where unknown_users
-- or strangers, sessions that have another learner or start, are not empty. Such a session may be
-- stored by somebody else after they were looked for: then the row is given minutes that no row may
-- have, so that the whole statement fails (23514), and the next attempt sees it.
WITH tenant AS MATERIALIZED (
  SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid AS id
), merged AS MATERIALIZED (
  SELECT g.id, min(g.user_id::text)::uuid AS user_id, min(g.started_at) AS started_at,
         max(g.completed_at) AS completed_at, max(g.minutes) AS minutes,
         min(g.user_id::text) <> max(g.user_id::text) OR min(g.started_at) <> max(g.started_at)
           AS is_torn
  FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::integer[])
       AS g (id, user_id, started_at, completed_at, minutes)
  GROUP BY g.id
), unknown AS MATERIALIZED (
  SELECT coalesce(array_agg(m.user_id ORDER BY m.user_id), '{}') AS users
  FROM (SELECT DISTINCT g.user_id FROM unnest($2::uuid[]) AS g (user_id)) m
  WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = m.user_id)
), strangers AS MATERIALIZED (
  SELECT coalesce(array_agg(m.id ORDER BY m.id), '{}') AS sessions
  FROM merged m
  WHERE m.is_torn
     OR EXISTS (SELECT FROM learning_sessions s
                WHERE s.id = m.id AND (s.user_id <> m.user_id OR s.started_at <> m.started_at))
), written AS (
  INSERT INTO learning_sessions AS s (tenant_id, id, user_id, started_at, completed_at,
                                      duration_minutes)
  SELECT t.id, m.id, m.user_id, m.started_at, m.completed_at, m.minutes
  FROM merged m, tenant t, unknown u, strangers x
  WHERE u.users = '{}' AND x.sessions = '{}'
  ORDER BY m.id
  ON CONFLICT (tenant_id, id) DO UPDATE
  SET completed_at = greatest(s.completed_at, excluded.completed_at),
      duration_minutes =
        CASE WHEN s.user_id = excluded.user_id AND s.started_at = excluded.started_at
             THEN greatest(s.duration_minutes, excluded.duration_minutes)
             ELSE -1 END
  WHERE s.user_id <> excluded.user_id
     OR s.started_at <> excluded.started_at
     OR s.duration_minutes < excluded.duration_minutes
     OR s.completed_at IS DISTINCT FROM greatest(s.completed_at, excluded.completed_at)
  RETURNING 1
)
SELECT (SELECT count(*) FROM written) AS written, u.users AS unknown_users,
       x.sessions AS strangers
FROM unknown u, strangers x
