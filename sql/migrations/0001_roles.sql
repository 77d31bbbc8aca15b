-- Roles belong to the whole cluster, and several databases of one cluster may be migrated at the
-- same moment: whoever comes second finds the role there, or waits for the first and then hits the
-- unique index. Both are fine. A migrating user without CREATEROLE needs the roles to exist.
--
-- lyceum_owner       owns every object, loads and migrates; its policy lets it see all tenants
-- lyceum_app         the application: reads and writes rows of the tenant that is set, owns nothing
-- lyceum_reader      the same rows, to read only
-- lyceum_monitor     the server's statistics, no row of the platform
-- lyceum_maintainer  may do what the owner may: before version 17 only an owner vacuums and reindexes

DO $roles$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['lyceum_owner', 'lyceum_app', 'lyceum_reader', 'lyceum_monitor',
                                   'lyceum_maintainer'] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name);
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN
        NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role % does not exist and % may not create it', role_name, current_user
          USING ERRCODE = 'insufficient_privilege',
                HINT = format('As a superuser: CREATE ROLE %I NOLOGIN', role_name);
    END;
  END LOOP;
END
$roles$;

-- Memberships. What is refused here is either there already, made by a parallel migration, or
-- missing and then said: only membership of the owner is needed to go on.
DO $memberships$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES ('lyceum_owner', current_user::text),
                          ('lyceum_owner', 'lyceum_maintainer'),
                          ('pg_monitor', 'lyceum_monitor')) AS pair (granted, member)
  LOOP
    CONTINUE WHEN pg_has_role(wanted.member, wanted.granted, 'MEMBER');
    BEGIN
      EXECUTE format('GRANT %I TO %I', wanted.granted, wanted.member);
    EXCEPTION
      WHEN OTHERS THEN
        IF wanted.member = current_user AND NOT pg_has_role(current_user, 'lyceum_owner', 'MEMBER') THEN
          RAISE EXCEPTION '% is not a member of lyceum_owner and may not become one: %',
                          current_user, SQLERRM
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('As a superuser: GRANT lyceum_owner TO %I', current_user);
        END IF;
        RAISE NOTICE '% was not granted to %: %', wanted.granted, wanted.member, SQLERRM;
    END;
  END LOOP;
END
$memberships$;

DO $schema$
BEGIN
  BEGIN
    GRANT USAGE, CREATE ON SCHEMA public TO lyceum_owner;
    GRANT USAGE ON SCHEMA public TO lyceum_app, lyceum_reader, lyceum_monitor;
  EXCEPTION
    WHEN insufficient_privilege THEN
      NULL;
  END;
  IF NOT has_schema_privilege('lyceum_owner', 'public', 'CREATE') THEN
    RAISE EXCEPTION 'lyceum_owner may not create tables in schema public, and % may not grant it',
                    current_user
      USING ERRCODE = 'insufficient_privilege',
            HINT = 'As the owner of the database: GRANT USAGE, CREATE ON SCHEMA public TO lyceum_owner';
  END IF;
END
$schema$;
