-- Search by terms: a term is a lexeme with its tenant before it, so that the index of the terms has a
-- list of stories for each tenant and word. Until now a search cut the tenant's list, the published
-- list and the word's own out of the index and intersected them, which took as long as the longest of
-- them; now it reads the stories that it wants and no others. The index (idx_stories_search) is over
-- the published stories alone.

SET LOCAL ROLE lyceum_owner;

-- The terms of a story. A tenant's id has a fixed length, so that no lexeme can reach into another
-- tenant's terms. Level stands among the lexemes of `stories.search` (0002) and becomes a term with
-- them; so do tenant and published, which nobody asks for any more.
CREATE FUNCTION lyceum_search_terms(tenant uuid, lexemes tsvector) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  RETURN (SELECT array_agg(tenant::text || l.lexeme)
          FROM unnest(tsvector_to_array(lexemes)) AS l (lexeme));
END
$function$;

-- Who writes stories computes the index's terms. (In plpgsql, here and below, because a function in SQL
-- is planned anew by every statement that calls it.)
REVOKE ALL ON FUNCTION lyceum_search_terms(uuid, tsvector) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lyceum_search_terms(uuid, tsvector) TO lyceum_app;

-- The terms that a story must have: those of the words, and of the level where one is asked for. NULL
-- where there is no tenant, or no word in the text (stop words only, punctuation only): such a search
-- finds nothing.
CREATE FUNCTION lyceum_query_terms(tenant uuid, words text, only_level text) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  terms CONSTANT text[] := (
    SELECT array_agg(tenant::text || l.lexeme)
    FROM unnest(tsvector_to_array(to_tsvector('pg_catalog.english', words))) AS l (lexeme));
BEGIN
  IF terms IS NULL OR only_level IS NULL THEN
    RETURN terms;
  END IF;
  RETURN terms || (tenant::text || 'level=' || only_level);
END
$function$;

REVOKE ALL ON FUNCTION lyceum_query_terms(uuid, text, text) FROM PUBLIC;

-- The ids of one page, and where `counted` how many stories the search finds in all. The page's order:
-- featured first, then the stories that `learner` opened
-- last (without a learner nobody opened any), then the newest, then by id.
--
-- A rare word: all its stories, sorted, some 1.3 us each. A word in more of the tenant's stories: they
-- are dense in the page's order too, so that a walk along that order, of 5,000 stories at most, fills
-- the page. A walk passes wanted × stories ÷ hits of them, some 8 us each, because it looks into
-- their texts. So the two ways cost the same at √(6 × wanted × stories) hits: some 800 for a page of 20
-- in a library of 5,000, some 2,500 in one of 50,000. Where such a walk ends without a full page, all
-- the word's stories are sorted after all. Who wants the total has them all looked at anyway, and then
-- nothing is walked.
DROP FUNCTION lyceum_search_stories(text, text, float8, float8, uuid, boolean, timestamptz,
                                    timestamptz, uuid, integer);
CREATE FUNCTION lyceum_find_stories(
  words text, only_level text, difficulty_from float8, difficulty_to float8, learner uuid,
  after_featured boolean, after_accessed timestamptz, after_created timestamptz, after_id uuid,
  wanted integer, counted boolean, OUT page uuid[], OUT total bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan
SET client_min_messages = warning  -- plainto_tsquery remarks on stop words
AS $function$
DECLARE
  tenant CONSTANT uuid := nullif(current_setting('lyceum.tenant', true), '')::uuid;
  terms  CONSTANT text[] := public.lyceum_query_terms(tenant, words, only_level);
  query  CONSTANT tsquery := plainto_tsquery('pg_catalog.english', words);
  rare   integer;
  hits   integer;
BEGIN
  IF counted THEN
    total := 0;
  END IF;
  IF terms IS NULL OR wanted <= 0 THEN
    RETURN;
  END IF;
  IF NOT counted THEN
    SELECT ceil(sqrt(6.0 * wanted * coalesce(sum(c.stories), 0)))
    INTO rare
    FROM public.story_counts c
    WHERE c.tenant_id = tenant AND (only_level IS NULL OR c.level = only_level);
  END IF;

  FOR attempt IN 1 .. 2 LOOP
    WITH found AS MATERIALIZED (
      SELECT s.id, s.tenant_id, s.featured, s.created_at, s.level, s.difficulty_score, s.published
      FROM public.stories s
      WHERE s.published AND public.lyceum_search_terms(s.tenant_id, s.search) @> terms
      LIMIT CASE WHEN attempt = 1 THEN rare + 1 END  -- NULL where counted: all
    ), own AS MATERIALIZED (
      SELECT p.story_id, p.last_accessed
      FROM public.progress p
      WHERE p.tenant_id = tenant AND p.user_id = learner
    ), sifted AS (
      -- Whether a story is the learner's own is a look into a hash; a join would be one probe of the
      -- index for each story, because the planner cannot know how many there are.
      SELECT f.id, f.featured, f.created_at,
             CASE WHEN f.id IN (SELECT o.story_id FROM own o)
                  THEN (SELECT o.last_accessed FROM own o WHERE o.story_id = f.id)
             END AS last_accessed
      FROM found f
      WHERE f.tenant_id = tenant
        AND f.published
        AND (only_level IS NULL OR f.level = only_level)
        AND (difficulty_from IS NULL OR f.difficulty_score >= difficulty_from)
        AND (difficulty_to IS NULL OR f.difficulty_score <= difficulty_to)
      OFFSET 0
    ), ordered AS (
      SELECT s.id, s.featured, s.last_accessed, s.created_at
      FROM sifted s
      WHERE after_id IS NULL
         OR (s.featured, coalesce(s.last_accessed, '-infinity'), s.created_at, s.id)
            < (after_featured, coalesce(after_accessed, '-infinity'), after_created, after_id)
      ORDER BY s.featured DESC, s.last_accessed DESC NULLS LAST, s.created_at DESC, s.id DESC
      LIMIT wanted
    )
    SELECT CASE WHEN NOT counted THEN (SELECT count(*) FROM found) END,
           CASE WHEN counted THEN (SELECT count(*) FROM sifted) END,
           (SELECT array_agg(o.id ORDER BY o.featured DESC, o.last_accessed DESC NULLS LAST,
                                           o.created_at DESC, o.id DESC)
            FROM ordered o)
    INTO hits, total, page;

    EXIT WHEN attempt = 2 OR counted OR hits <= rare;

    -- A common word. What the learner opened is few; the rest is walked in order.
    WITH accessed AS (
      SELECT s.id, s.featured, p.last_accessed, s.created_at
      FROM public.progress p
      JOIN public.stories s ON s.tenant_id = tenant AND s.id = p.story_id
      WHERE p.tenant_id = tenant AND p.user_id = learner
        AND s.published
        AND (only_level IS NULL OR s.level = only_level)
        AND (difficulty_from IS NULL OR s.difficulty_score >= difficulty_from)
        AND (difficulty_to IS NULL OR s.difficulty_score <= difficulty_to)
        AND (after_id IS NULL
             OR (s.featured, p.last_accessed, s.created_at, s.id)
                < (after_featured, coalesce(after_accessed, '-infinity'), after_created, after_id))
        AND s.search @@ query
    ), fresh AS (
      SELECT n.id, n.featured, NULL::timestamptz AS last_accessed, n.created_at
      FROM (
        SELECT s.id, s.featured, s.created_at
        FROM public.stories s
        WHERE s.tenant_id = tenant
          AND s.published
          AND (s.featured, s.created_at, s.id)
              < (coalesce(after_featured, true),
                 CASE WHEN after_id IS NULL OR after_accessed IS NOT NULL THEN 'infinity'
                      ELSE after_created END,
                 CASE WHEN after_id IS NULL OR after_accessed IS NOT NULL
                      THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
                      ELSE after_id END)
          AND (only_level IS NULL OR s.level = only_level)
          AND (difficulty_from IS NULL OR s.difficulty_score >= difficulty_from)
          AND (difficulty_to IS NULL OR s.difficulty_score <= difficulty_to)
          AND s.id NOT IN (SELECT p.story_id FROM public.progress p
                           WHERE p.tenant_id = tenant AND p.user_id = learner)
        ORDER BY s.featured DESC, s.created_at DESC, s.id DESC
        LIMIT 5000
      ) n
      CROSS JOIN LATERAL (SELECT FROM public.stories s
                          WHERE s.tenant_id = tenant AND s.id = n.id AND s.search @@ query
                          OFFSET 0) matching
      ORDER BY n.featured DESC, n.created_at DESC, n.id DESC
      LIMIT wanted
    )
    SELECT (SELECT count(*) FROM fresh),
           (SELECT array_agg(o.id)
            FROM (SELECT m.id
                  FROM (SELECT * FROM accessed UNION ALL SELECT * FROM fresh) m
                  ORDER BY m.featured DESC, m.last_accessed DESC NULLS LAST, m.created_at DESC,
                           m.id DESC
                  LIMIT wanted) o)
    INTO hits, page;

    EXIT WHEN hits = wanted;
  END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION lyceum_find_stories(text, text, float8, float8, uuid, boolean, timestamptz,
                                           timestamptz, uuid, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lyceum_find_stories(text, text, float8, float8, uuid, boolean, timestamptz,
                                              timestamptz, uuid, integer, boolean)
  TO lyceum_app, lyceum_reader;

-- How many stories a search finds in all, exactly. The index holds what is asked for, but whether a
-- story that it names is visible stands in the table.
CREATE OR REPLACE FUNCTION lyceum_count_stories(
  words text, only_level text, difficulty_from float8, difficulty_to float8) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan
SET client_min_messages = warning  -- plainto_tsquery remarks on stop words
AS $function$
DECLARE
  tenant CONSTANT uuid := nullif(current_setting('lyceum.tenant', true), '')::uuid;
  terms  CONSTANT text[] := public.lyceum_query_terms(tenant, words, only_level);
BEGIN
  IF terms IS NULL THEN
    RETURN 0;
  END IF;
  RETURN (
    WITH found AS MATERIALIZED (
      SELECT s.tenant_id, s.level, s.difficulty_score
      FROM public.stories s
      WHERE s.published AND public.lyceum_search_terms(s.tenant_id, s.search) @> terms
    )
    SELECT count(*)
    FROM found f
    WHERE f.tenant_id = tenant
      AND (only_level IS NULL OR f.level = only_level)
      AND (difficulty_from IS NULL OR f.difficulty_score >= difficulty_from)
      AND (difficulty_to IS NULL OR f.difficulty_score <= difficulty_to));
END
$function$;

DROP FUNCTION lyceum_search_query(text, text);

RESET ROLE;
