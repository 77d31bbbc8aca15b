-- access: write
-- Stores events, all of a batch or nothing; one whose id is there already stays. Always one row.
-- $1 uuid[]: events
-- $2 uuid[]: learners
-- $3 uuid[]: sessions, NULL where there is none
-- $4 text[]: types
-- $5 jsonb[]: payloads
-- $6 timestamptz[]: when, NULL for now
-- The arrays are read in step. They are written in the order of their keys, so that two batches
-- cannot wait for each other. Nothing is written where one of the lists is not empty:
-- unknown_users; unknown_sessions, which the learner of the event does not have; and strangers,
-- events that are there and are another learner's.
WITH tenant AS MATERIALIZED (
  SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid AS id
), given AS MATERIALIZED (
  SELECT g.id, g.user_id, g.session_id, g.event_type, g.payload, g.created_at, g.place
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::timestamptz[])
       WITH ORDINALITY AS g (id, user_id, session_id, event_type, payload, created_at, place)
), unknown AS MATERIALIZED (
  SELECT coalesce(array_agg(g.user_id ORDER BY g.user_id), '{}') AS users
  FROM (SELECT DISTINCT user_id FROM given) g
  WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = g.user_id)
), missing AS MATERIALIZED (
  SELECT coalesce(array_agg(DISTINCT g.session_id ORDER BY g.session_id), '{}') AS sessions
  FROM (SELECT DISTINCT user_id, session_id FROM given WHERE session_id IS NOT NULL) g
  WHERE NOT EXISTS (SELECT FROM learning_sessions s
                    WHERE s.id = g.session_id AND s.user_id = g.user_id)
), strangers AS MATERIALIZED (
  SELECT coalesce(array_agg(DISTINCT g.id ORDER BY g.id), '{}') AS events
  FROM given g
  WHERE EXISTS (SELECT FROM user_events e WHERE e.id = g.id AND e.user_id <> g.user_id)
), written AS (
  INSERT INTO user_events (tenant_id, id, user_id, session_id, event_type, payload, created_at)
  SELECT t.id, g.id, g.user_id, g.session_id, g.event_type, g.payload,
         coalesce(g.created_at, now())
  FROM given g, tenant t, unknown u, missing m, strangers x
  WHERE u.users = '{}' AND m.sessions = '{}' AND x.events = '{}'
  ORDER BY g.id, g.place
  ON CONFLICT (tenant_id, id) DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM written) AS written, u.users AS unknown_users,
       m.sessions AS unknown_sessions, x.events AS strangers
FROM unknown u, missing m, strangers x
