-- access: read
-- How many published stories a page's filters leave in all, where difficulty is one of them (without it
-- stories_total answers): a question of its own, because its cost grows with the number of stories and
-- a page's does not. Answered from whichever index of the published stories holds what is asked for
-- (idx_stories_page and idx_stories_level_page both do).
-- $1 float8: least difficulty, NULL for any
-- $2 float8: greatest difficulty, NULL for any
-- $3 text: level, A1 to C2, NULL for any
SELECT count(*) AS total_count
FROM stories s
WHERE s.published
  AND ($1::float8 IS NULL OR s.difficulty_score >= $1)
  AND ($2::float8 IS NULL OR s.difficulty_score <= $2)
  AND ($3::text IS NULL OR s.level = $3)
