-- access: read
-- Words to search for, as they are written and not stems: what somebody would type. How many stories
-- have one goes by its stem, as the search does. Told from one story in so many that there are 400.
-- $1 integer: how many of each kind. Columns: the word; its kind, 0 in fewer than 1 % of the stories,
-- 1 in 1 to 10 %, 2 in more.
WITH written AS (
  SELECT word, tsvector_to_array(to_tsvector('english', word)) AS stems
  FROM ts_stat($$SELECT to_tsvector('simple', title || ' ' || content) FROM public.stories
                 WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0$$)
  WHERE word ~ '^[a-z]{3,}$'
), stems AS (
  SELECT word AS stem, ndoc::float8 / (SELECT count(*) FROM public.stories
                                      WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0) AS share
  FROM ts_stat($$SELECT to_tsvector('english', title || ' ' || content) FROM public.stories
                 WHERE published AND abs(hashtext(id::text)) % (SELECT greatest(1, count(*) / 400) FROM public.stories) = 0$$)
), kinds AS (
  SELECT min(w.word) AS word,
         CASE WHEN s.share < 0.01 THEN 0 WHEN s.share <= 0.1 THEN 1 ELSE 2 END AS kind
  FROM written w
  JOIN stems s ON w.stems = ARRAY[s.stem]
  GROUP BY s.stem, s.share
), ranked AS (
  SELECT word, kind, row_number() OVER (PARTITION BY kind ORDER BY md5(word)) AS place FROM kinds
)
SELECT word, kind FROM ranked WHERE place <= $1::integer ORDER BY kind, place
