-- access: read
-- uses: idx_stories_search
-- How many published stories a search finds in all.
-- $1 float8: least difficulty, NULL for any
-- $2 float8: greatest difficulty, NULL for any
-- $3 text: level, A1 to C2, NULL for any
-- $4 text: the words
SELECT lyceum_count_stories($4::text, $3::text, $1::float8, $2::float8) AS total_count
