-- access: write
-- Adds what learners did to their progress, all of a batch or nothing. Always one row.
-- $1 text: idempotency key (made by the caller where its client sent none)
-- $2 bytea: hash of the request
-- $3 uuid[]: learners
-- $4 uuid[]: stories
-- $5 integer[]: completion percentages, 0 to 100; what is stored never falls
-- $6 integer[]: seconds spent, not negative; what is stored is the sum
-- The arrays are read in step. outcome is one of
--   written   the rows stand
--   replayed  this key was answered before with this hash: nothing written, the answer is that one
--   conflict  this key was answered before with another hash: nothing written
--   refused   nothing written, for the reasons in bad_rows (places from 1, of rows that are
--             incomplete or out of range), unknown_users and unknown_stories
-- A row of the ledger goes in before the progress does. A second request with the same key waits
-- on it until the first has ended; DO UPDATE, which changes nothing, is there because only then
-- does it see what the first has stored. Rows of one learner and story are merged first, and written
-- in the order of their keys, so that two batches cannot wait for each other. Another tenant's
-- learners and stories are unknown here, as the policies show none.
WITH tenant AS MATERIALIZED (
  SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid AS id
), given AS MATERIALIZED (
  SELECT g.user_id, g.story_id, g.completion, g.seconds, g.place
  FROM unnest($3::uuid[], $4::uuid[], $5::integer[], $6::integer[])
       WITH ORDINALITY AS g (user_id, story_id, completion, seconds, place)
), merged AS MATERIALIZED (
  SELECT g.user_id, g.story_id, max(g.completion) AS completion, sum(g.seconds) AS seconds
  FROM given g
  GROUP BY g.user_id, g.story_id
), bad AS MATERIALIZED (
  SELECT array_agg(g.place::integer ORDER BY g.place) AS places
  FROM given g
  WHERE NOT coalesce(g.completion BETWEEN 0 AND 100 AND g.seconds >= 0
                     AND g.user_id IS NOT NULL AND g.story_id IS NOT NULL, false)
), strangers AS MATERIALIZED (
  SELECT array_agg(m.user_id ORDER BY m.user_id) AS users
  FROM (SELECT DISTINCT user_id FROM merged WHERE user_id IS NOT NULL) m
  WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = m.user_id)
), missing AS MATERIALIZED (
  SELECT array_agg(m.story_id ORDER BY m.story_id) AS stories
  FROM (SELECT DISTINCT story_id FROM merged WHERE story_id IS NOT NULL) m
  WHERE NOT EXISTS (SELECT FROM stories s WHERE s.id = m.story_id)
), prior AS MATERIALIZED (
  SELECT k.request_hash, k.response, false AS is_new
  FROM idempotency_keys k
  WHERE k.key = $1::text
), ledger AS (
  INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, response)
  SELECT t.id, $1, $2::bytea,
         jsonb_build_object('received', (SELECT count(*) FROM given),
                            'written', (SELECT count(*) FROM merged))
  FROM tenant t, bad b, strangers u, missing s
  WHERE b.places IS NULL AND u.users IS NULL AND s.stories IS NULL
    AND NOT EXISTS (SELECT FROM prior)
  ON CONFLICT (tenant_id, key) DO UPDATE SET created_at = k.created_at
  RETURNING k.request_hash, k.response, k.xmax = 0 AS is_new
), written AS (
  INSERT INTO progress AS p (tenant_id, user_id, story_id, completion_percentage, time_spent,
                             last_accessed, updated_at)
  SELECT t.id, m.user_id, m.story_id, m.completion, m.seconds, now(), now()
  FROM merged m, tenant t
  WHERE (SELECT l.is_new FROM ledger l)
  ORDER BY m.user_id, m.story_id
  ON CONFLICT (tenant_id, user_id, story_id) DO UPDATE
  SET completion_percentage = greatest(p.completion_percentage, excluded.completion_percentage),
      time_spent = p.time_spent + excluded.time_spent,
      last_accessed = greatest(p.last_accessed, excluded.last_accessed),
      updated_at = excluded.updated_at
), known AS (
  SELECT * FROM prior
  UNION ALL
  SELECT * FROM ledger
)
SELECT CASE WHEN k.is_new THEN 'written'
            WHEN k.request_hash = $2 THEN 'replayed'
            WHEN k.request_hash IS NOT NULL THEN 'conflict'
            ELSE 'refused' END AS outcome,
       CASE WHEN k.request_hash = $2 THEN (k.response ->> 'received')::bigint ELSE 0 END AS received,
       CASE WHEN k.request_hash = $2 THEN (k.response ->> 'written')::bigint ELSE 0 END AS written,
       CASE WHEN k.is_new IS NULL THEN coalesce(b.places, '{}') ELSE '{}' END AS bad_rows,
       CASE WHEN k.is_new IS NULL THEN coalesce(u.users, '{}') ELSE '{}' END AS unknown_users,
       CASE WHEN k.is_new IS NULL THEN coalesce(s.stories, '{}') ELSE '{}' END AS unknown_stories
FROM bad b
CROSS JOIN strangers u
CROSS JOIN missing s
LEFT JOIN known k ON true
