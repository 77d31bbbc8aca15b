-- How many published stories each tenant has, by level: what a listing shows as its total, without
-- counting thousands of index entries for it each time. Exact: the transaction that changes
-- stories changes the counts.
--
-- A count is the sum of the rows of its tenant and level. A writer adds a row of its own in place of
-- a change to somebody else's, and sums up with it those that nobody holds at the moment. So
-- writers neither wait for each other nor deadlock; every snapshot sees either the rows that went or
-- the one that came for them; and there are about as many rows as there are writers at once. Triggers
-- are per statement: a load of 100,000 stories counts once. They do not fire where
-- session_replication_role is replica, as in logical replication: who copies stories so copies this
-- table with them.

SET LOCAL ROLE lyceum_owner;

CREATE TABLE story_counts (
  tenant_id uuid   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  level     text   NOT NULL,
  part      uuid   NOT NULL DEFAULT gen_random_uuid(),
  stories   bigint NOT NULL CHECK (stories <> 0),  -- negative where a writer took stories away
  PRIMARY KEY (tenant_id, level, part)
);

ALTER TABLE story_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE story_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON story_counts TO lyceum_app, lyceum_reader
  USING (tenant_id = (SELECT nullif(current_setting('lyceum.tenant', true), '')::uuid));
CREATE POLICY owner_rows ON story_counts TO lyceum_owner USING (true) WITH CHECK (true);
-- Only the triggers write, as the owner.
GRANT SELECT ON story_counts TO lyceum_app, lyceum_reader;

-- Under REPEATABLE READ and SERIALIZABLE nothing is summed up: a row that somebody else has summed up
-- since the snapshot would be a serialization failure that nobody needs.
CREATE FUNCTION lyceum_count_changed_stories() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
  sums_up CONSTANT boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  -- A trigger has the rows of its own kind of statement, hence three times nearly the same.
  IF TG_OP = 'INSERT' THEN
    PERFORM public.lyceum_add_story_counts(
      array_agg(c.tenant_id), array_agg(c.level), array_agg(c.change), sums_up)
    FROM (SELECT n.tenant_id, n.level, count(*) AS change
          FROM new_stories n WHERE n.published GROUP BY n.tenant_id, n.level) c;
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM public.lyceum_add_story_counts(
      array_agg(c.tenant_id), array_agg(c.level), array_agg(c.change), sums_up)
    FROM (SELECT o.tenant_id, o.level, -count(*) AS change
          FROM old_stories o WHERE o.published GROUP BY o.tenant_id, o.level) c;
  ELSIF TG_OP = 'UPDATE' THEN
    PERFORM public.lyceum_add_story_counts(
      array_agg(c.tenant_id), array_agg(c.level), array_agg(c.change), sums_up)
    FROM (SELECT b.tenant_id, b.level, sum(b.change)::bigint AS change
          FROM (SELECT n.tenant_id, n.level, 1 AS change FROM new_stories n WHERE n.published
                UNION ALL
                SELECT o.tenant_id, o.level, -1 FROM old_stories o WHERE o.published) b
          GROUP BY b.tenant_id, b.level
          HAVING sum(b.change) <> 0) c;
  ELSE
    DELETE FROM public.story_counts;  -- TRUNCATE
  END IF;
  RETURN NULL;
END
$function$;

-- Adds the changes, arrays in step (NULL for none), and sums up what is free.
CREATE FUNCTION lyceum_add_story_counts(tenants uuid[], levels text[], changes bigint[],
                                        sums_up boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
  IF tenants IS NULL THEN
    RETURN;
  END IF;
  WITH changed AS (
    SELECT c.tenant_id, c.level, c.change
    FROM unnest(tenants, levels, changes) AS c (tenant_id, level, change)
  ), free AS (
    SELECT s.tenant_id, s.level, s.part
    FROM changed c
    JOIN public.story_counts s ON s.tenant_id = c.tenant_id AND s.level = c.level
    WHERE sums_up
    FOR UPDATE OF s SKIP LOCKED
  ), gone AS (
    DELETE FROM public.story_counts s
    USING free f
    WHERE s.tenant_id = f.tenant_id AND s.level = f.level AND s.part = f.part
    RETURNING s.tenant_id, s.level, s.stories
  )
  INSERT INTO public.story_counts (tenant_id, level, stories)
  SELECT b.tenant_id, b.level, sum(b.stories)
  FROM (SELECT c.tenant_id, c.level, c.change AS stories FROM changed c
        UNION ALL
        SELECT g.tenant_id, g.level, g.stories FROM gone g) b
  GROUP BY b.tenant_id, b.level
  HAVING sum(b.stories) <> 0;
END
$function$;

REVOKE ALL ON FUNCTION lyceum_count_changed_stories() FROM PUBLIC;
REVOKE ALL ON FUNCTION lyceum_add_story_counts(uuid[], text[], bigint[], boolean) FROM PUBLIC;

-- Making the triggers keeps writers away until the end of this transaction, so that what is counted
-- below is all there is.
CREATE TRIGGER count_inserted AFTER INSERT ON stories REFERENCING NEW TABLE AS new_stories
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_count_changed_stories();
CREATE TRIGGER count_deleted AFTER DELETE ON stories REFERENCING OLD TABLE AS old_stories
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_count_changed_stories();
CREATE TRIGGER count_updated AFTER UPDATE ON stories
  REFERENCING OLD TABLE AS old_stories NEW TABLE AS new_stories
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_count_changed_stories();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON stories
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_count_changed_stories();

INSERT INTO story_counts (tenant_id, level, stories)
SELECT tenant_id, level, count(*) FROM stories WHERE published GROUP BY tenant_id, level;

RESET ROLE;
