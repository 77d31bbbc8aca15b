-- The first word of each difficulty in the order of idx_vocabulary_difficulty_frequency: the most
-- frequent, of those the one with the least id. Recommendations begin from these, and would
-- otherwise look each of them up in the index, one difficulty after the other.
--
-- Exact: whoever changes the vocabulary changes this with it. The vocabulary belongs to nobody and is
-- written by few, so that writers wait for each other here (readers do not): each then sees what
-- the ones before it have written. That takes READ COMMITTED, which the trigger insists on. It does
-- not fire where session_replication_role is replica: who copies the vocabulary so copies this table
-- with it.

SET LOCAL ROLE lyceum_owner;

CREATE TABLE vocabulary_heads (
  difficulty_level double precision NOT NULL PRIMARY KEY,
  frequency        double precision NOT NULL,
  id               uuid             NOT NULL
);

GRANT SELECT ON vocabulary_heads TO lyceum_app, lyceum_reader;

CREATE FUNCTION lyceum_find_vocabulary_heads() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
  difficulties double precision[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the vocabulary is written in transactions that are READ COMMITTED'
      USING ERRCODE = 'feature_not_supported';
  END IF;
  LOCK TABLE public.vocabulary_heads IN SHARE ROW EXCLUSIVE MODE;
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM public.vocabulary_heads;
  END IF;
  IF TG_OP IN ('DELETE', 'UPDATE') THEN
    -- A head that went or changed leaves its place to the next one.
    WITH bereft AS (
      DELETE FROM public.vocabulary_heads h
      USING old_words o
      WHERE h.difficulty_level = o.difficulty_level AND h.id = o.id
      RETURNING h.difficulty_level
    )
    SELECT array_agg(b.difficulty_level) FROM bereft b INTO difficulties;
    INSERT INTO public.vocabulary_heads (difficulty_level, frequency, id)
    SELECT DISTINCT ON (v.difficulty_level) v.difficulty_level, v.frequency, v.id
    FROM public.vocabulary v
    WHERE v.difficulty_level = ANY (difficulties)
    ORDER BY v.difficulty_level, v.frequency DESC, v.id;
  END IF;
  IF TG_OP IN ('INSERT', 'UPDATE') THEN
    INSERT INTO public.vocabulary_heads AS h (difficulty_level, frequency, id)
    SELECT DISTINCT ON (n.difficulty_level) n.difficulty_level, n.frequency, n.id
    FROM new_words n
    ORDER BY n.difficulty_level, n.frequency DESC, n.id
    ON CONFLICT (difficulty_level) DO UPDATE
    SET frequency = excluded.frequency, id = excluded.id
    WHERE (-excluded.frequency, excluded.id) < (-h.frequency, h.id);
  END IF;
  RETURN NULL;
END
$function$;

REVOKE ALL ON FUNCTION lyceum_find_vocabulary_heads() FROM PUBLIC;

-- Making the triggers keeps writers away until the end of this transaction.
CREATE TRIGGER find_heads_inserted AFTER INSERT ON vocabulary REFERENCING NEW TABLE AS new_words
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_find_vocabulary_heads();
CREATE TRIGGER find_heads_deleted AFTER DELETE ON vocabulary REFERENCING OLD TABLE AS old_words
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_find_vocabulary_heads();
CREATE TRIGGER find_heads_updated AFTER UPDATE ON vocabulary
  REFERENCING OLD TABLE AS old_words NEW TABLE AS new_words
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_find_vocabulary_heads();
CREATE TRIGGER find_heads_truncated AFTER TRUNCATE ON vocabulary
  FOR EACH STATEMENT EXECUTE FUNCTION lyceum_find_vocabulary_heads();

INSERT INTO vocabulary_heads (difficulty_level, frequency, id)
SELECT DISTINCT ON (difficulty_level) difficulty_level, frequency, id
FROM vocabulary
ORDER BY difficulty_level, frequency DESC, id;

RESET ROLE;
