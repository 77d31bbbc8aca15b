-- access: read
-- How many published stories the tenant has, of all levels or of one: the total of a listing that is
-- filtered by nothing else. The counts are kept with the stories (migration 0008), so that this costs
-- the same for every tenant.
-- $1 text: level, A1 to C2, NULL for any
SELECT coalesce(sum(c.stories), 0)::bigint AS total_count
FROM story_counts c
WHERE ($1::text IS NULL OR c.level = $1)
