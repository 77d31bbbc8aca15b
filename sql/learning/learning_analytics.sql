-- access: read
-- uses: idx_learning_sessions_tenant_started, idx_progress_tenant_updated, idx_user_vocab_tenant_updated
-- What a tenant's learners did from $1 up to, and without, $2. Always one row: zeros and empty
-- lists where nothing happened. The five lists go in step, one place for each day with a session.
-- $1 timestamptz: start, finite
-- $2 timestamptz: end, not included, finite
-- $3 text: time zone of the days, NULL for the tenant's own
-- Each day is one range of an index that holds all that is asked for, so that no row is fetched
-- and no instant is converted to a date. The learners of the vocabulary are counted by
-- grouping, which hashes; count(DISTINCT) sorts, and is the cheaper where its rows are few.
WITH zone AS MATERIALIZED (
  SELECT coalesce($3::text, (SELECT t.time_zone FROM tenants t
                             WHERE t.id = nullif(current_setting('lyceum.tenant', true), '')::uuid),
                  'UTC') AS name
), days AS MATERIALIZED (
  SELECT d.day::date AS day,
         greatest($1::timestamptz, d.day AT TIME ZONE z.name) AS first_instant,
         least($2::timestamptz, (d.day + interval '1 day') AT TIME ZONE z.name) AS end_instant
  FROM zone z
  CROSS JOIN LATERAL generate_series((($1::timestamptz AT TIME ZONE z.name)::date)::timestamp,
                                     (($2::timestamptz AT TIME ZONE z.name)::date)::timestamp,
                                     interval '1 day') AS d (day)
), daily AS (
  SELECT d.day, s.*
  FROM days d
  CROSS JOIN LATERAL (
    SELECT count(DISTINCT ls.user_id) AS active_users, count(*) AS total_sessions,
           avg(ls.duration_minutes)::float8 AS avg_session_duration,
           sum(ls.duration_minutes) AS total_learning_time
    FROM learning_sessions ls
    WHERE ls.started_at >= d.first_instant AND ls.started_at < d.end_instant) s
  WHERE s.total_sessions > 0
)
SELECT sessions.*, completion.*, words.*
FROM (
  SELECT coalesce(array_agg(d.day ORDER BY d.day), '{}') AS days,
         coalesce(array_agg(d.active_users ORDER BY d.day), '{}') AS active_users,
         coalesce(array_agg(d.total_sessions ORDER BY d.day), '{}') AS total_sessions,
         coalesce(array_agg(d.avg_session_duration ORDER BY d.day), '{}') AS avg_session_duration,
         coalesce(array_agg(d.total_learning_time ORDER BY d.day), '{}') AS total_learning_time
  FROM daily d
) sessions
CROSS JOIN (
  SELECT count(DISTINCT p.user_id) FILTER (WHERE p.completion_percentage >= 100)
           AS users_completed_stories,
         coalesce(avg(p.completion_percentage), 0)::float8 AS avg_completion_rate
  FROM progress p
  WHERE p.updated_at >= $1 AND p.updated_at < $2
) completion
CROSS JOIN (
  SELECT count(*) AS users_learning_vocabulary,
         coalesce(sum(u.total) / sum(u.rows)::float8, 0) AS avg_vocabulary_mastery
  FROM (SELECT sum(v.mastery_level) AS total, count(*) AS rows
        FROM user_vocabulary_progress v
        WHERE v.updated_at >= $1 AND v.updated_at < $2
        GROUP BY v.user_id) u
) words
