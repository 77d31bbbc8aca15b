-- access: write
-- The guide's batch, as printed, on a table with the unique pair that it needs.
-- $1 uuid[]: learners
-- $2 uuid[]: stories
-- $3 integer[]: completion percentages
-- $4 integer[]: time spent
INSERT INTO guide.progress (user_id, story_id, completion_percentage, time_spent, updated_at)
SELECT
  unnest($1::uuid[]) as user_id,
  unnest($2::uuid[]) as story_id,
  unnest($3::integer[]) as completion_percentage,
  unnest($4::integer[]) as time_spent,
  NOW() as updated_at
ON CONFLICT (user_id, story_id)
DO UPDATE SET
  completion_percentage = GREATEST(progress.completion_percentage, EXCLUDED.completion_percentage),
  time_spent = progress.time_spent + EXCLUDED.time_spent,
  updated_at = EXCLUDED.updated_at
