-- How many days on end a learner has had a session on, the last of them the day before `day`. A part
-- of learning.progress_summary, for the few whose streak is longer than it looks back by itself. Runs
-- as its caller, under the caller's policies.

SET LOCAL ROLE lyceum_owner;

CREATE FUNCTION lyceum_streak_before(learner uuid, zone text, day date) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
  until  CONSTANT timestamptz := day::timestamp AT TIME ZONE zone;
  streak integer;
BEGIN
  SELECT count(*)
  INTO streak
  FROM (SELECT d.day, row_number() OVER (ORDER BY d.day DESC)::integer AS place
        FROM (SELECT DISTINCT (ls.started_at AT TIME ZONE zone)::date AS day
              FROM public.learning_sessions ls
              WHERE ls.user_id = learner AND ls.started_at < until) d) past
  WHERE past.day = lyceum_streak_before.day - past.place;
  RETURN streak;
END
$function$;

REVOKE ALL ON FUNCTION lyceum_streak_before(uuid, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lyceum_streak_before(uuid, text, date) TO lyceum_app, lyceum_reader;

RESET ROLE;
