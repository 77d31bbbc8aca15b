-- The platform's tables. tenant_id leads every key and every foreign key of what a tenant owns:
-- a row can then only refer to rows of its own tenant, whatever a policy says. Ids are UUIDs that
-- the caller makes. vocabulary belongs to nobody and is the same on every shard.

SET LOCAL ROLE lyceum_owner;

CREATE TABLE tenants (
  id         uuid        NOT NULL PRIMARY KEY,
  name       text        NOT NULL CHECK (name <> ''),
  -- An IANA name. timezone() itself refuses a name that the server does not know (22023).
  time_zone  text        NOT NULL DEFAULT 'UTC'
             CHECK (time_zone ~ '^(UTC|GMT|[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)+)$'
                    AND timezone(time_zone, timestamptz '2000-01-01 00:00:00+00') IS NOT NULL),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
  tenant_id     uuid        NOT NULL REFERENCES tenants (id),
  id            uuid        NOT NULL,
  email         text        NOT NULL CHECK (email <> ''),
  time_zone     text        NOT NULL DEFAULT 'UTC'
                CHECK (time_zone ~ '^(UTC|GMT|[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)+)$'
                       AND timezone(time_zone, timestamptz '2000-01-01 00:00:00+00') IS NOT NULL),
  is_active     boolean     NOT NULL DEFAULT true,
  last_login_at timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE stories (
  tenant_id          uuid             NOT NULL REFERENCES tenants (id),
  id                 uuid             NOT NULL,
  title              text             NOT NULL CHECK (title <> ''),
  content            text             NOT NULL,
  level              text             NOT NULL CHECK (level IN ('A1', 'A2', 'B1', 'B2', 'C1', 'C2')),
  difficulty_score   double precision NOT NULL CHECK (difficulty_score BETWEEN 0 AND 10),
  estimated_duration integer          NOT NULL DEFAULT 0 CHECK (estimated_duration >= 0), -- minutes
  thumbnail_url      text,
  view_count         bigint           NOT NULL DEFAULT 0 CHECK (view_count >= 0),
  featured           boolean          NOT NULL DEFAULT false,
  published          boolean          NOT NULL DEFAULT false,
  created_at         timestamptz      NOT NULL DEFAULT now() CHECK (isfinite(created_at)),
  updated_at         timestamptz      NOT NULL DEFAULT now(),
  -- Attribution: to be shown wherever the story is shown.
  author             text             NOT NULL DEFAULT '',
  illustrator        text             NOT NULL DEFAULT '',
  translator         text             NOT NULL DEFAULT '',
  licence            text             NOT NULL DEFAULT '',
  source             text             NOT NULL DEFAULT '',
  -- Title above content. Tenant, level and whether it is published are lexemes too, ones that no text
  -- can produce: the full-text index then cuts the tenant's stories and the word's stories by itself,
  -- without an extension, and counts them without reading a row.
  search             tsvector         NOT NULL GENERATED ALWAYS AS (
                       setweight(to_tsvector('pg_catalog.english', title), 'A')
                       || setweight(to_tsvector('pg_catalog.english', content), 'B')
                       || array_to_tsvector(ARRAY['tenant=' || tenant_id::text, 'level=' || level,
                                                  'published=' || published::text])) STORED,
  -- What orders and filters a page rides along in the key, so that a learner's own stories are
  -- sorted and sifted without a visit to the table.
  PRIMARY KEY (tenant_id, id) INCLUDE (featured, created_at, published, level, difficulty_score)
) WITH (toast_tuple_target = 256);  -- texts live apart: a page then reads few blocks

CREATE TABLE progress (
  tenant_id             uuid        NOT NULL,
  user_id               uuid        NOT NULL,
  story_id              uuid        NOT NULL,
  completion_percentage integer     NOT NULL DEFAULT 0
                        CHECK (completion_percentage BETWEEN 0 AND 100),
  time_spent            bigint      NOT NULL DEFAULT 0 CHECK (time_spent >= 0), -- seconds
  last_accessed         timestamptz NOT NULL DEFAULT now() CHECK (isfinite(last_accessed)),
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  -- A learner's pages and summary are answered from the key alone.
  PRIMARY KEY (tenant_id, user_id, story_id)
    INCLUDE (completion_percentage, time_spent, last_accessed, updated_at),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, story_id) REFERENCES stories (tenant_id, id)
);

CREATE TABLE vocabulary (
  id               uuid             NOT NULL PRIMARY KEY,
  word             text             NOT NULL CHECK (word <> ''),
  part_of_speech   text             NOT NULL,
  definition       text             NOT NULL,
  level            text             CHECK (level IN ('A1', 'A2', 'B1', 'B2', 'C1', 'C2')),
  -- Two decimals at most: recommendations visit each distinct difficulty once, so that their
  -- number has to stay small however many words there are.
  difficulty_level double precision NOT NULL
                   CHECK (difficulty_level BETWEEN 0 AND 10
                          AND difficulty_level = round(difficulty_level::numeric, 2)::float8),
  frequency        double precision NOT NULL DEFAULT 0  -- occurrences per million words
                   CHECK (frequency >= 0 AND frequency <= 1000000),
  created_at       timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE user_vocabulary_progress (
  tenant_id        uuid             NOT NULL,
  user_id          uuid             NOT NULL,
  vocabulary_id    uuid             NOT NULL REFERENCES vocabulary (id),
  mastery_level    double precision NOT NULL DEFAULT 0 CHECK (mastery_level BETWEEN 0 AND 1),
  review_count     integer          NOT NULL DEFAULT 0 CHECK (review_count >= 0),
  last_reviewed    timestamptz,
  next_review_date date,
  created_at       timestamptz      NOT NULL DEFAULT now(),
  updated_at       timestamptz      NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, vocabulary_id) INCLUDE (mastery_level),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

CREATE TABLE exercises (
  tenant_id        uuid             NOT NULL,
  id               uuid             NOT NULL,
  story_id         uuid             NOT NULL,
  exercise_type    text             NOT NULL CHECK (exercise_type <> ''),
  difficulty_level double precision NOT NULL CHECK (difficulty_level BETWEEN 0 AND 10),
  question         text             NOT NULL DEFAULT '',
  answer           text             NOT NULL DEFAULT '',
  created_at       timestamptz      NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, story_id) REFERENCES stories (tenant_id, id)
);

CREATE TABLE exercise_attempts (
  tenant_id   uuid        NOT NULL,
  id          uuid        NOT NULL,
  user_id     uuid        NOT NULL,
  exercise_id uuid        NOT NULL,
  is_correct  boolean     NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, exercise_id) REFERENCES exercises (tenant_id, id)
);

CREATE TABLE learning_sessions (
  tenant_id        uuid        NOT NULL,
  id               uuid        NOT NULL,
  user_id          uuid        NOT NULL,
  started_at       timestamptz NOT NULL CHECK (isfinite(started_at)),
  completed_at     timestamptz CHECK (completed_at >= started_at),
  duration_minutes integer     NOT NULL DEFAULT 0 CHECK (duration_minutes >= 0),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

CREATE TABLE user_events (
  tenant_id  uuid        NOT NULL,
  id         uuid        NOT NULL,
  user_id    uuid        NOT NULL,
  session_id uuid,
  event_type text        NOT NULL CHECK (event_type <> ''),
  payload    jsonb       NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, session_id) REFERENCES learning_sessions (tenant_id, id)
);

-- What was answered to a request that carried an idempotency key: written in the transaction of
-- the request itself, so that either both stand or neither.
CREATE TABLE idempotency_keys (
  tenant_id    uuid        NOT NULL REFERENCES tenants (id),
  key          text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_hash bytea       NOT NULL,
  response     jsonb       NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);

RESET ROLE;
