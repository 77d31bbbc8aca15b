-- Full-text search under row-level security. `@@` is not leakproof: for a role with a policy the
-- planner must check the tenant first and may not use the full-text index for the word. These two
-- functions run as lyceum_owner, whose policy is `true`, and put the tenant into the query instead:
-- from the same setting that the policies read, never from an argument. They answer with ids and a
-- number; the caller fetches the rows under its own policies.

SET LOCAL ROLE lyceum_owner;

-- The lexemes of the tenant, of what is published and of the level where one is asked for, and the
-- caller's words; NULL where there is no tenant, or no word in the text (stop words only, punctuation
-- only): such a search finds nothing.
CREATE FUNCTION lyceum_search_query(words text, only_level text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN numnode(plainto_tsquery('pg_catalog.english', words)) > 0
              THEN ('''tenant=' || nullif(current_setting('lyceum.tenant', true), '')::uuid::text
                    || ''' & ''published=true'''
                    || CASE WHEN only_level IS NULL THEN ''
                            WHEN only_level ~ '^[A-C][12]$' THEN ' & ''level=' || only_level || ''''
                       END)::tsquery
                   && plainto_tsquery('pg_catalog.english', words)
         END
$function$;

-- The ids of one page, in the page's order: featured first, then the stories that `learner` opened
-- last (without a learner nobody opened any), then the newest, then by id.
--
-- A rare word: all its stories, sorted. A word in more of the tenant's stories: they are dense in the
-- page's order too, so that a walk along that order, of 5,000 stories at most, fills the page. A walk
-- passes wanted × stories ÷ hits of them, so the two ways cost the same at √(wanted × stories) hits:
-- some 300 for a page of 20 in a library of 5,000, some 1,000 in one of 50,000.
-- Where such a walk ends without a full page, all the word's stories are sorted after all.
CREATE FUNCTION lyceum_search_stories(
  words text, only_level text, difficulty_from float8, difficulty_to float8, learner uuid,
  after_featured boolean, after_accessed timestamptz, after_created timestamptz, after_id uuid,
  wanted integer) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan
SET client_min_messages = warning  -- plainto_tsquery remarks on stop words
AS $function$
DECLARE
  rare   CONSTANT integer := 500;
  tenant CONSTANT uuid := nullif(current_setting('lyceum.tenant', true), '')::uuid;
  query  CONSTANT tsquery := lyceum_search_query(words, only_level);
  hits   integer;
  page   uuid[];
BEGIN
  IF query IS NULL OR wanted <= 0 THEN
    RETURN '{}';
  END IF;

  FOR attempt IN 1 .. 2 LOOP
    WITH found AS MATERIALIZED (
      SELECT s.id, s.tenant_id, s.featured, s.created_at, s.level, s.difficulty_score, s.published
      FROM public.stories s
      WHERE s.search @@ query
      LIMIT CASE WHEN attempt = 1 THEN rare + 1 END
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
    SELECT (SELECT count(*) FROM found),
           (SELECT array_agg(o.id ORDER BY o.featured DESC, o.last_accessed DESC NULLS LAST,
                                           o.created_at DESC, o.id DESC)
            FROM ordered o)
    INTO hits, page;

    EXIT WHEN attempt = 2 OR hits <= rare;

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

  RETURN coalesce(page, '{}');
END
$function$;

-- How many stories a search finds in all, exactly.
CREATE FUNCTION lyceum_count_stories(
  words text, only_level text, difficulty_from float8, difficulty_to float8) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_generic_plan
SET client_min_messages = warning  -- plainto_tsquery remarks on stop words
AS $function$
DECLARE
  tenant CONSTANT uuid := nullif(current_setting('lyceum.tenant', true), '')::uuid;
  query  CONSTANT tsquery := lyceum_search_query(words, only_level);
BEGIN
  IF query IS NULL THEN
    RETURN 0;
  END IF;
  IF difficulty_from IS NULL AND difficulty_to IS NULL THEN
    -- Everything asked for is in the index: pages that are all visible are counted unread.
    RETURN (SELECT count(*) FROM public.stories s WHERE s.search @@ query);
  END IF;
  RETURN (
    WITH found AS MATERIALIZED (
      SELECT s.tenant_id, s.level, s.difficulty_score, s.published
      FROM public.stories s
      WHERE s.search @@ query
    )
    SELECT count(*)
    FROM found f
    WHERE f.tenant_id = tenant
      AND f.published
      AND (only_level IS NULL OR f.level = only_level)
      AND (difficulty_from IS NULL OR f.difficulty_score >= difficulty_from)
      AND (difficulty_to IS NULL OR f.difficulty_score <= difficulty_to));
END
$function$;

REVOKE ALL ON FUNCTION lyceum_search_query(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION lyceum_search_stories(text, text, float8, float8, uuid, boolean, timestamptz,
                                             timestamptz, uuid, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION lyceum_count_stories(text, text, float8, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lyceum_search_stories(text, text, float8, float8, uuid, boolean, timestamptz,
                                                timestamptz, uuid, integer) TO lyceum_app, lyceum_reader;
GRANT EXECUTE ON FUNCTION lyceum_count_stories(text, text, float8, float8) TO lyceum_app, lyceum_reader;

RESET ROLE;
