-- access: read
-- uses: idx_learning_sessions_learner
-- What one learner has done so far. Always one row; zeros where there is nothing.
-- $1 uuid: learner
-- $2 timestamptz: the present, NULL for the server's clock
-- Days are days in the learner's own time zone, and go from the start of the day 30 days ago to the
-- end of today, as the guide counts. They are gathered as 31 bits, the last of which is today: how
-- many are set are the active days, and the set ones at the end are the streak, which may also end
-- yesterday. Only a streak that fills all the bits is followed into the past before them, in a
-- function, so that all the others need not even prepare for it.
-- Instants are computed before they bound a scan (OFFSET 0 keeps them apart): AT TIME ZONE counts as
-- leaky, and under a policy only what cannot leak may bound one.
SELECT learner.today IS NOT NULL AS learner_exists,
       stories.stories_started, stories.stories_completed, stories.avg_completion,
       stories.total_time_spent, stories.last_activity,
       words.vocabulary_learned, words.avg_vocabulary_mastery, words.vocabulary_mastered,
       coalesce(length(replace(learner.days, '0', '')), 0)::bigint AS active_days_last_30,
       CASE WHEN learner.days IS NULL THEN 0
            WHEN ltrim(learner.to_latest, '1') <> ''
            THEN length(learner.to_latest) - length(rtrim(learner.to_latest, '1'))
            ELSE length(learner.to_latest) + lyceum_streak_before($1, learner.zone, learner.today - 30)
       END AS current_streak
FROM (
  SELECT count(*) AS stories_started,
         count(*) FILTER (WHERE p.completion_percentage >= 100) AS stories_completed,
         coalesce(sum(p.completion_percentage)::float8 / nullif(count(*), 0), 0) AS avg_completion,
         coalesce(sum(p.time_spent), 0)::bigint AS total_time_spent,
         max(p.updated_at) AS last_activity
  FROM progress p
  WHERE p.user_id = $1::uuid
) stories
CROSS JOIN (
  SELECT count(*) AS vocabulary_learned,
         coalesce(avg(v.mastery_level), 0) AS avg_vocabulary_mastery,
         count(*) FILTER (WHERE v.mastery_level >= 0.8) AS vocabulary_mastered
  FROM user_vocabulary_progress v
  WHERE v.user_id = $1
) words
LEFT JOIN (
  SELECT l.zone, l.today, l.since, seen.days,
         CASE WHEN seen.days LIKE '%1' THEN seen.days ELSE left(seen.days, 30) END AS to_latest
  FROM (SELECT u.zone, u.today, (u.today - 30)::timestamp AT TIME ZONE u.zone AS since,
               (u.today + 1)::timestamp AT TIME ZONE u.zone AS until
        FROM (SELECT time_zone AS zone,
                     (coalesce($2::timestamptz, now()) AT TIME ZONE time_zone)::date AS today
              FROM users
              WHERE id = $1
              OFFSET 0) u
        OFFSET 0) l
  CROSS JOIN LATERAL (
    SELECT bit_or(1 << (l.today - (ls.started_at AT TIME ZONE l.zone)::date))::bit(31)::text AS days
    FROM learning_sessions ls
    WHERE ls.user_id = $1 AND ls.started_at >= l.since AND ls.started_at < l.until
    OFFSET 0) seen
  OFFSET 0
) learner ON true
