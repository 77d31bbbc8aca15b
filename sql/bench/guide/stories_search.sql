-- access: read
-- The guide's page of stories with a search. Mended: LIMIT and OFFSET are numbered as they are bound.
-- $1 uuid: tenant
-- $2 text: the words
-- $3 bigint: limit
-- $4 bigint: offset
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       NULL as completion_percentage, NULL as time_spent, NULL as last_accessed,
       COUNT(*) OVER() as total_count
FROM guide.stories s
WHERE s.tenant_id = $1::uuid AND s.published = true
  AND (to_tsvector('english', s.title) @@ plainto_tsquery('english', $2)
       OR to_tsvector('english', s.content) @@ plainto_tsquery('english', $2))
ORDER BY s.featured DESC, s.created_at DESC
LIMIT $3::bigint OFFSET $4::bigint
