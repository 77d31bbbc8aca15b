-- access: read
-- uses: idx_stories_search, idx_stories_page
-- A page of the published stories whose title or text has every word searched for, in the same
-- order as a page without a search.
-- $1 float8: least difficulty, NULL for any
-- $2 float8: greatest difficulty, NULL for any
-- $3 boolean, $4 timestamptz, $5 uuid: featured, created_at and id of the row before the page;
--    all NULL for the first page
-- $6 integer: rows wanted (one more than shown tells whether there is a next page)
-- $7 integer: rows to skip, for page numbers; 0 with a cursor
-- $8 uuid: learner whose progress is shown and sorts the page, NULL for none
-- $9 timestamptz: last_accessed of the row before the page, NULL where it was not opened
-- $10 text: level, A1 to C2, NULL for any
-- $11 text: the words
-- $12 boolean: whether every row says, in total_count, how many stories the search finds in all
-- Row-level security would keep the full-text index from being used, so that a function of the
-- owner finds the ids, and how many there are where that is wanted (migration 0010; the indexes named
-- above are used inside it, where EXPLAIN of this statement does not look); the rows are fetched here,
-- under the caller's policies.
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       own.completion_percentage, own.time_spent, own.last_accessed,
       s.author, s.illustrator, s.translator, s.licence, s.source,
       found.total AS total_count
FROM lyceum_find_stories($11::text, $10::text, $1::float8, $2::float8, $8::uuid, $3::boolean,
                         $9::timestamptz, $4::timestamptz, $5::uuid, $6::integer + $7::integer,
                         $12::boolean) AS found
CROSS JOIN LATERAL unnest(found.page) WITH ORDINALITY AS page (id, place)
CROSS JOIN LATERAL (SELECT * FROM stories t WHERE t.id = page.id OFFSET 0) s
LEFT JOIN LATERAL (SELECT p.completion_percentage, p.time_spent, p.last_accessed
                   FROM progress p
                   WHERE p.user_id = $8::uuid AND p.story_id = page.id
                   OFFSET 0) own ON true
WHERE page.place > $7::integer
ORDER BY page.place
