-- access: read
-- The guide's progress summary. Mended: streak_days stands in an aggregate, without which the
-- statement fails.
-- $1 uuid: learner
WITH progress_stats AS (
  SELECT
    COUNT(DISTINCT p.story_id) as stories_started,
    COUNT(DISTINCT CASE WHEN p.completion_percentage >= 100 THEN p.story_id END) as stories_completed,
    AVG(p.completion_percentage) as avg_completion,
    SUM(p.time_spent) as total_time_spent,
    MAX(p.updated_at) as last_activity
  FROM guide.progress p
  WHERE p.user_id = $1::uuid
),
vocabulary_stats AS (
  SELECT
    COUNT(DISTINCT uvp.vocabulary_id) as vocabulary_learned,
    AVG(uvp.mastery_level) as avg_vocabulary_mastery,
    COUNT(DISTINCT CASE WHEN uvp.mastery_level >= 0.8 THEN uvp.vocabulary_id END) as vocabulary_mastered
  FROM guide.user_vocabulary_progress uvp
  WHERE uvp.user_id = $1
),
streak_stats AS (
  SELECT
    COUNT(DISTINCT DATE(ls.started_at)) as active_days_last_30,
    COALESCE(MAX(current_streak.streak_days), 0) as current_streak
  FROM guide.learning_sessions ls
  LEFT JOIN (
    SELECT COUNT(*) as streak_days
    FROM (
      SELECT DATE(started_at) as session_date,
             ROW_NUMBER() OVER (ORDER BY DATE(started_at) DESC) as rn,
             DATE(started_at) - INTERVAL '1 day' * ROW_NUMBER() OVER (ORDER BY DATE(started_at) DESC) as streak_group
      FROM guide.learning_sessions
      WHERE user_id = $1
        AND started_at >= CURRENT_DATE - INTERVAL '30 days'
    ) grouped
    WHERE session_date = CURRENT_DATE - INTERVAL '1 day' * (rn - 1)
    GROUP BY streak_group
    ORDER BY COUNT(*) DESC
    LIMIT 1
  ) current_streak ON true
  WHERE ls.user_id = $1
    AND ls.started_at >= CURRENT_DATE - INTERVAL '30 days'
)
SELECT ps.*, vs.*, ss.*
FROM progress_stats ps
CROSS JOIN vocabulary_stats vs
CROSS JOIN streak_stats ss
