-- access: read
-- The guide's vocabulary recommendations, as printed.
-- $1 uuid: learner
-- $2 bigint: limit
WITH user_level AS (
  SELECT
    COALESCE(AVG(s.difficulty_score), 1.0) as avg_difficulty,
    COUNT(DISTINCT p.story_id) as stories_completed
  FROM guide.progress p
  JOIN guide.stories s ON p.story_id = s.id
  WHERE p.user_id = $1::uuid
    AND p.completion_percentage > 80
),
vocabulary_scores AS (
  SELECT
    v.id,
    v.word,
    v.definition,
    v.difficulty_level,
    v.frequency,
    v.part_of_speech,
    COALESCE(uvp.mastery_level, 0) as current_mastery,
    COALESCE(uvp.review_count, 0) as review_count,
    uvp.last_reviewed,
    uvp.next_review_date,
    CASE
      WHEN uvp.next_review_date IS NULL THEN 1.0
      WHEN uvp.next_review_date <= CURRENT_DATE THEN 1.0
      WHEN uvp.last_reviewed < CURRENT_DATE - INTERVAL '7 days' THEN 0.9
      WHEN uvp.last_reviewed < CURRENT_DATE - INTERVAL '3 days' THEN 0.7
      ELSE 0.3
    END as review_urgency,
    1.0 - ABS(v.difficulty_level - (SELECT avg_difficulty FROM user_level)) / 2.0 as difficulty_match,
    LEAST(v.frequency / 1000.0, 1.0) as frequency_score
  FROM guide.vocabulary v
  LEFT JOIN guide.user_vocabulary_progress uvp ON v.id = uvp.vocabulary_id AND uvp.user_id = $1
  WHERE v.difficulty_level <= (SELECT avg_difficulty FROM user_level) + 0.5
    AND (uvp.mastery_level IS NULL OR uvp.mastery_level < 0.9)
)
SELECT
  id,
  word,
  definition,
  difficulty_level,
  frequency,
  part_of_speech,
  current_mastery,
  review_count,
  last_reviewed,
  next_review_date,
  (review_urgency * 0.4 + difficulty_match * 0.3 + frequency_score * 0.3) as recommendation_score
FROM vocabulary_scores
WHERE current_mastery < 0.9
ORDER BY
  recommendation_score DESC,
  review_urgency DESC,
  frequency DESC
LIMIT $2::bigint
