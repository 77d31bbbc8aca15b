-- access: read
-- The guide's learning analytics, as printed.
-- $1 uuid: tenant
-- $2 timestamptz: start
-- $3 timestamptz: end, taken in
WITH daily_stats AS (
  SELECT
    DATE(ls.started_at) as date,
    COUNT(DISTINCT ls.user_id) as active_users,
    COUNT(*) as total_sessions,
    AVG(ls.duration_minutes) as avg_session_duration,
    SUM(ls.duration_minutes) as total_learning_time
  FROM guide.learning_sessions ls
  JOIN guide.users u ON ls.user_id = u.id
  WHERE u.tenant_id = $1::uuid
    AND ls.started_at BETWEEN $2::timestamptz AND $3::timestamptz
  GROUP BY DATE(ls.started_at)
),
completion_stats AS (
  SELECT
    COUNT(DISTINCT CASE WHEN p.completion_percentage >= 100 THEN p.user_id END) as users_completed_stories,
    AVG(p.completion_percentage) as avg_completion_rate
  FROM guide.progress p
  JOIN guide.users u ON p.user_id = u.id
  WHERE u.tenant_id = $1
    AND p.updated_at BETWEEN $2 AND $3
),
vocabulary_stats AS (
  SELECT
    COUNT(DISTINCT uvp.user_id) as users_learning_vocabulary,
    AVG(uvp.mastery_level) as avg_vocabulary_mastery
  FROM guide.user_vocabulary_progress uvp
  JOIN guide.users u ON uvp.user_id = u.id
  WHERE u.tenant_id = $1
    AND uvp.updated_at BETWEEN $2 AND $3
)
SELECT
  json_agg(
    json_build_object(
      'date', ds.date,
      'active_users', ds.active_users,
      'total_sessions', ds.total_sessions,
      'avg_session_duration', ds.avg_session_duration,
      'total_learning_time', ds.total_learning_time
    ) ORDER BY ds.date
  ) as daily_stats,
  cs.users_completed_stories,
  cs.avg_completion_rate,
  vs.users_learning_vocabulary,
  vs.avg_vocabulary_mastery
FROM daily_stats ds
CROSS JOIN completion_stats cs
CROSS JOIN vocabulary_stats vs
GROUP BY cs.users_completed_stories, cs.avg_completion_rate,
         vs.users_learning_vocabulary, vs.avg_vocabulary_mastery
