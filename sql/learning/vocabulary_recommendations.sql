-- access: read
-- uses: idx_vocabulary_difficulty_frequency
-- The words that one learner should meet next: score, then urgency, then frequency, then id.
-- $1 uuid: learner
-- $2 integer: words wanted
-- $3 timestamptz: the present, NULL for the server's clock
-- $4 text: time zone whose day counts, NULL for the session's
--
-- score = 0.4 urgency + 0.3 (1 − |difficulty − level| ÷ 2) + 0.3 min(frequency ÷ 1000, 1)
--
-- A word that the learner has no row of has urgency 1, so that among the new words of one
-- difficulty the order is by frequency and then by id, which is the order of the index. Therefore:
-- 1. the best new word of a difficulty is the first one in the index (heads: kept in a table of
--    their own, migration 0009; one probe for each that the learner has a row of);
-- 2. a new word among the first n has the head of its difficulty before it or is that head, so
--    that it belongs to one of the n best heads, and the r-th of these can give n − r + 1 words;
-- 3. words that the learner has a row of are few, and scored one by one.
-- Rounding does not disturb this: every operation in the score is monotonic in the frequency.
-- Urgency is numeric, as in the guide, so that the scores are the guide's to the last bit.
WITH present AS MATERIALIZED (
  SELECT today, today::timestamp AT TIME ZONE zone AS midnight,
         (today - 7)::timestamp AT TIME ZONE zone AS week_ago,
         (today - 3)::timestamp AT TIME ZONE zone AS three_days_ago
  FROM (SELECT zone, (coalesce($3::timestamptz, now()) AT TIME ZONE zone)::date AS today
        FROM (SELECT coalesce($4::text, current_setting('TimeZone')) AS zone) z) t
), learner AS MATERIALIZED (
  SELECT coalesce(avg(s.difficulty_score), 1.0) AS level
  FROM progress p
  CROSS JOIN LATERAL (SELECT t.difficulty_score FROM stories t
                      WHERE t.id = p.story_id OFFSET 0) s
  WHERE p.user_id = $1::uuid AND p.completion_percentage > 80
), known AS MATERIALIZED (
  SELECT k.vocabulary_id, k.mastery_level, k.review_count, k.last_reviewed, k.next_review_date
  FROM user_vocabulary_progress k
  WHERE k.user_id = $1::uuid
), heads AS (
  SELECT h.difficulty_level, h.frequency, h.id
  FROM vocabulary_heads h
  WHERE h.difficulty_level <= (SELECT level FROM learner) + 0.5
    AND h.id NOT IN (SELECT k.vocabulary_id FROM known k)
  UNION ALL
  SELECT next.difficulty_level, next.frequency, next.id
  FROM vocabulary_heads h
  CROSS JOIN LATERAL (
    SELECT v.difficulty_level, v.frequency, v.id
    FROM vocabulary v
    WHERE v.difficulty_level = h.difficulty_level
      AND v.id NOT IN (SELECT k.vocabulary_id FROM known k)
    ORDER BY v.frequency DESC, v.id
    LIMIT 1) next
  WHERE h.difficulty_level <= (SELECT level FROM learner) + 0.5
    AND h.id IN (SELECT k.vocabulary_id FROM known k)
), best AS (
  SELECT b.difficulty_level, row_number() OVER () AS place
  FROM (SELECT h.difficulty_level
        FROM heads h, learner l
        ORDER BY 1.0 * 0.4 + (1.0 - abs(h.difficulty_level - l.level) / 2.0) * 0.3
                 + least(h.frequency / 1000.0, 1.0) * 0.3 DESC,
                 h.frequency DESC, h.id
        LIMIT $2::integer) b
), candidates AS (
  SELECT fresh.id, fresh.difficulty_level, fresh.frequency, 1.0 AS urgency,
         0.0::float8 AS mastery_level, 0 AS review_count, NULL::timestamptz AS last_reviewed,
         NULL::date AS next_review_date
  FROM best b
  CROSS JOIN LATERAL (
    SELECT v.id, v.difficulty_level, v.frequency
    FROM vocabulary v
    WHERE v.difficulty_level = b.difficulty_level
      AND v.id NOT IN (SELECT k.vocabulary_id FROM known k)
    ORDER BY v.frequency DESC, v.id
    LIMIT $2::integer - b.place + 1) fresh
  UNION ALL
  SELECT v.id, v.difficulty_level, v.frequency,
         CASE WHEN k.next_review_date IS NULL OR k.next_review_date <= n.today THEN 1.0
              WHEN k.last_reviewed < n.week_ago THEN 0.9
              WHEN k.last_reviewed < n.three_days_ago THEN 0.7
              ELSE 0.3 END,
         k.mastery_level, k.review_count, k.last_reviewed, k.next_review_date
  FROM known k
  CROSS JOIN present n
  CROSS JOIN LATERAL (SELECT t.id, t.difficulty_level, t.frequency FROM vocabulary t
                      WHERE t.id = k.vocabulary_id OFFSET 0) v
  WHERE k.mastery_level < 0.9
    AND v.difficulty_level <= (SELECT level FROM learner) + 0.5
), chosen AS (
  SELECT c.*, c.urgency * 0.4 + (1.0 - abs(c.difficulty_level - l.level) / 2.0) * 0.3
              + least(c.frequency / 1000.0, 1.0) * 0.3 AS score
  FROM candidates c, learner l
  ORDER BY score DESC, c.urgency DESC, c.frequency DESC, c.id
  LIMIT $2::integer
)
SELECT v.id, v.word, v.definition, v.difficulty_level, v.frequency, v.part_of_speech,
       c.mastery_level AS current_mastery, c.review_count, c.last_reviewed, c.next_review_date,
       c.score AS recommendation_score
FROM chosen c
CROSS JOIN LATERAL (SELECT * FROM vocabulary t WHERE t.id = c.id OFFSET 0) v
ORDER BY c.score DESC, c.urgency DESC, c.frequency DESC, c.id
