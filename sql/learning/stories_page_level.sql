-- access: read
-- uses: idx_stories_level_page
-- A page of published stories of one level: featured first, then the newest, then by id (a total order).
-- $1 float8: least difficulty, NULL for any
-- $2 float8: greatest difficulty, NULL for any
-- $3 boolean, $4 timestamptz, $5 uuid: featured, created_at and id of the row before the page;
--    all NULL for the first page
-- $6 integer: rows wanted (one more than shown tells whether there is a next page)
-- $7 integer: rows to skip, for page numbers; 0 with a cursor
-- $8 text: level, A1 to C2
-- The keys come from a walk along one index that also holds what is filtered by; only the rows of
-- the page are then fetched. `$1 IS NULL OR …` keeps the filter a filter: as a range it would lead
-- the planner, which does not know the range, to another index and a sort. The cursor stands in
-- sub-selects because coalesce() counts as leaky, and under a policy only what cannot leak may bound
-- the walk.
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       NULL::integer AS completion_percentage, NULL::bigint AS time_spent,
       NULL::timestamptz AS last_accessed,
       s.author, s.illustrator, s.translator, s.licence, s.source
FROM (
  SELECT k.id, k.featured, k.created_at
  FROM stories k
  WHERE k.published
    AND k.level = $8::text
    AND (k.featured, k.created_at, k.id)
        < ((SELECT coalesce($3::boolean, true)),
           (SELECT coalesce($4::timestamptz, 'infinity')),
           (SELECT coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')))
    AND ($1::float8 IS NULL OR k.difficulty_score >= $1)
    AND ($2::float8 IS NULL OR k.difficulty_score <= $2)
  ORDER BY k.featured DESC, k.created_at DESC, k.id DESC
  LIMIT $6::integer OFFSET $7::integer
) page
CROSS JOIN LATERAL (SELECT * FROM stories t WHERE t.id = page.id OFFSET 0) s
ORDER BY page.featured DESC, page.created_at DESC, page.id DESC
