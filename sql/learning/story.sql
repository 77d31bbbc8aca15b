-- access: read
-- One published story with its text, and one learner's progress in it; no row where there is none.
-- $1 uuid: story
-- $2 uuid: learner, NULL for none
SELECT s.id, s.title, s.level, s.difficulty_score, s.estimated_duration, s.thumbnail_url,
       s.view_count, s.featured, s.created_at,
       p.completion_percentage, p.time_spent, p.last_accessed,
       s.author, s.illustrator, s.translator, s.licence, s.source, s.content
FROM stories s
LEFT JOIN progress p ON p.story_id = $1 AND p.user_id = $2::uuid
WHERE s.id = $1::uuid AND s.published
