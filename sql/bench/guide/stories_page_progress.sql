-- access: read
-- The guide's page of stories with progress. Mended: LIMIT and OFFSET are numbered as they are bound.
-- $1 uuid: tenant
-- $2 uuid: learner
-- $3 bigint: limit
-- $4 bigint: offset
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       p.completion_percentage, p.time_spent, p.last_accessed,
       COUNT(*) OVER() as total_count
FROM guide.stories s
LEFT JOIN guide.progress p ON s.id = p.story_id AND p.user_id = $2::uuid
WHERE s.tenant_id = $1::uuid AND s.published = true
ORDER BY s.featured DESC, p.last_accessed DESC NULLS LAST, s.created_at DESC
LIMIT $3::bigint OFFSET $4::bigint
