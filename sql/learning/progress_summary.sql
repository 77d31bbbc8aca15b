-- access: read
-- uses: idx_learning_sessions_learner
-- What one learner has done so far. Always one row; zeros where there is nothing.
-- $1 uuid: learner
-- $2 timestamptz: the present, NULL for the server's clock
-- Days are days in the learner's own time zone. The streak is the unbroken run of days with a
-- session that ends today or yesterday, however long: it is followed back one day at a time, each
-- a probe of an index, and so costs what the streak is long and not what the learner's past is.
WITH RECURSIVE learner AS MATERIALIZED (
  SELECT u.time_zone, (coalesce($2::timestamptz, now()) AT TIME ZONE u.time_zone)::date AS today
  FROM users u
  WHERE u.id = $1::uuid
), streak (day, days) AS (
  SELECT CASE WHEN EXISTS (SELECT FROM learning_sessions ls
                           WHERE ls.user_id = $1
                             AND ls.started_at >= l.today::timestamp AT TIME ZONE l.time_zone
                             AND ls.started_at < (l.today + 1)::timestamp AT TIME ZONE l.time_zone)
              THEN l.today + 1 ELSE l.today END, 0
  FROM learner l
  UNION ALL
  SELECT s.day - 1, s.days + 1
  FROM streak s, learner l
  WHERE EXISTS (SELECT FROM learning_sessions ls
                WHERE ls.user_id = $1
                  AND ls.started_at >= (s.day - 1)::timestamp AT TIME ZONE l.time_zone
                  AND ls.started_at < s.day::timestamp AT TIME ZONE l.time_zone)
)
SELECT EXISTS (SELECT FROM learner) AS learner_exists,
       stories.stories_started, stories.stories_completed, stories.avg_completion,
       stories.total_time_spent, stories.last_activity,
       words.vocabulary_learned, words.avg_vocabulary_mastery, words.vocabulary_mastered,
       days.active_days_last_30,
       coalesce((SELECT max(days) FROM streak), 0) AS current_streak
FROM (
  SELECT count(*) AS stories_started,
         count(*) FILTER (WHERE p.completion_percentage >= 100) AS stories_completed,
         coalesce(avg(p.completion_percentage), 0)::float8 AS avg_completion,
         coalesce(sum(p.time_spent), 0)::bigint AS total_time_spent,
         max(p.updated_at) AS last_activity
  FROM progress p
  WHERE p.user_id = $1
) stories
CROSS JOIN (
  SELECT count(*) AS vocabulary_learned,
         coalesce(avg(v.mastery_level), 0) AS avg_vocabulary_mastery,
         count(*) FILTER (WHERE v.mastery_level >= 0.8) AS vocabulary_mastered
  FROM user_vocabulary_progress v
  WHERE v.user_id = $1
) words
CROSS JOIN (
  -- From the start of the day 30 days ago up to now, as the guide counts.
  SELECT count(DISTINCT (ls.started_at AT TIME ZONE l.time_zone)::date) AS active_days_last_30
  FROM learner l
  JOIN learning_sessions ls
    ON ls.user_id = $1
   AND ls.started_at >= (l.today - 30)::timestamp AT TIME ZONE l.time_zone
   AND ls.started_at < (l.today + 1)::timestamp AT TIME ZONE l.time_zone
) days
