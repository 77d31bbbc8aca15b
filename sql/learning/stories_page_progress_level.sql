-- access: read
-- uses: idx_stories_level_page
-- A page of published stories of one level with one learner's progress: featured first, then those
-- that the learner opened last, then the newest, then by id (a total order).
-- $1 float8: least difficulty, NULL for any
-- $2 float8: greatest difficulty, NULL for any
-- $3 boolean, $4 timestamptz, $5 uuid: featured, created_at and id of the row before the page;
--    all NULL for the first page
-- $6 integer: rows wanted (one more than shown tells whether there is a next page)
-- $7 integer: rows to skip, for page numbers; 0 with a cursor
-- $8 uuid: learner
-- $9 timestamptz: last_accessed of the row before the page, NULL where it was not opened
-- $10 text: level, A1 to C2
-- Most stories were never opened by this learner. So the page is a merge of two short lists: the
-- learner's own rows, few and sorted here, and a walk along the index of the page's order that
-- passes over them. Each list is cut at what the page can need, before its rows are fetched. The
-- cursor stands in sub-selects because CASE and coalesce() count as leaky, and under a policy only
-- what cannot leak may bound the walk.
WITH own AS MATERIALIZED (
  SELECT p.story_id, p.completion_percentage, p.time_spent, p.last_accessed
  FROM progress p
  WHERE p.user_id = $8::uuid
), opened AS (
  SELECT s.id, s.featured, o.last_accessed, s.created_at, o.completion_percentage, o.time_spent
  FROM own o
  CROSS JOIN LATERAL (SELECT t.id, t.featured, t.created_at, t.published, t.level,
                             t.difficulty_score
                      FROM stories t WHERE t.id = o.story_id OFFSET 0) s
  WHERE s.published
    AND s.level = $10::text
    AND ($1::float8 IS NULL OR s.difficulty_score >= $1)
    AND ($2::float8 IS NULL OR s.difficulty_score <= $2)
    AND ($5::uuid IS NULL
         OR (s.featured, o.last_accessed, s.created_at, s.id)
            < ($3::boolean, coalesce($9::timestamptz, '-infinity'), $4::timestamptz, $5))
  ORDER BY s.featured DESC, o.last_accessed DESC, s.created_at DESC, s.id DESC
  LIMIT $6::integer + $7::integer
), unopened AS (
  SELECT k.id, k.featured, k.created_at
  FROM stories k
  WHERE k.published
    AND k.level = $10::text
    -- After an opened story of a class come all the unopened ones of that class.
    AND (k.featured, k.created_at, k.id)
        < ((SELECT coalesce($3::boolean, true)),
           (SELECT CASE WHEN $4::timestamptz IS NULL OR $9::timestamptz IS NOT NULL
                        THEN 'infinity' ELSE $4 END),
           (SELECT CASE WHEN $5::uuid IS NULL OR $9 IS NOT NULL
                        THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE $5 END))
    AND ($1::float8 IS NULL OR k.difficulty_score >= $1)
    AND ($2::float8 IS NULL OR k.difficulty_score <= $2)
    AND k.id NOT IN (SELECT o.story_id FROM own o)
  ORDER BY k.featured DESC, k.created_at DESC, k.id DESC
  LIMIT $6::integer + $7::integer
)
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       page.completion_percentage, page.time_spent, page.last_accessed,
       s.author, s.illustrator, s.translator, s.licence, s.source
FROM (
  SELECT id, featured, last_accessed, created_at, completion_percentage, time_spent FROM opened
  UNION ALL
  SELECT id, featured, NULL, created_at, NULL, NULL FROM unopened
  ORDER BY featured DESC, last_accessed DESC NULLS LAST, created_at DESC, id DESC
  LIMIT $6::integer OFFSET $7::integer
) page
CROSS JOIN LATERAL (SELECT * FROM stories t WHERE t.id = page.id OFFSET 0) s
ORDER BY page.featured DESC, page.last_accessed DESC NULLS LAST, page.created_at DESC, page.id DESC
