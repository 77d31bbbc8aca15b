-- The guide's nine tables as Prisma makes them: one id as the key of each, foreign keys between
-- ids, and the unique pair that the guide's batch needs. Built for the benchmark, beside ours.

DROP SCHEMA IF EXISTS guide CASCADE;
CREATE SCHEMA guide;

CREATE TABLE guide.users (
  id            uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id     uuid        NOT NULL,
  email         text        NOT NULL,
  time_zone     text        NOT NULL DEFAULT 'UTC',
  is_active     boolean     NOT NULL DEFAULT true,
  last_login_at timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE guide.stories (
  id                 uuid             NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id          uuid             NOT NULL,
  title              text             NOT NULL,
  content            text             NOT NULL,
  level              text             NOT NULL,
  difficulty_score   double precision NOT NULL,
  estimated_duration integer          NOT NULL DEFAULT 0,
  thumbnail_url      text,
  view_count         bigint           NOT NULL DEFAULT 0,
  featured           boolean          NOT NULL DEFAULT false,
  published          boolean          NOT NULL DEFAULT false,
  created_at         timestamptz      NOT NULL DEFAULT now(),
  updated_at         timestamptz      NOT NULL DEFAULT now(),
  author             text             NOT NULL DEFAULT '',
  illustrator        text             NOT NULL DEFAULT '',
  translator         text             NOT NULL DEFAULT '',
  licence            text             NOT NULL DEFAULT '',
  source             text             NOT NULL DEFAULT ''
);

CREATE TABLE guide.progress (
  id                    uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id               uuid        NOT NULL REFERENCES guide.users (id),
  story_id              uuid        NOT NULL REFERENCES guide.stories (id),
  completion_percentage integer     NOT NULL DEFAULT 0,
  time_spent            integer     NOT NULL DEFAULT 0,
  last_accessed         timestamptz,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, story_id)
);

CREATE TABLE guide.vocabulary (
  id               uuid             NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  word             text             NOT NULL,
  part_of_speech   text             NOT NULL,
  definition       text             NOT NULL,
  level            text,
  difficulty_level double precision NOT NULL,
  frequency        double precision NOT NULL DEFAULT 0,
  created_at       timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE guide.user_vocabulary_progress (
  id               uuid             NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id          uuid             NOT NULL REFERENCES guide.users (id),
  vocabulary_id    uuid             NOT NULL REFERENCES guide.vocabulary (id),
  mastery_level    double precision NOT NULL DEFAULT 0,
  review_count     integer          NOT NULL DEFAULT 0,
  last_reviewed    timestamptz,
  next_review_date date,
  created_at       timestamptz      NOT NULL DEFAULT now(),
  updated_at       timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE guide.exercises (
  id               uuid             NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  story_id         uuid             NOT NULL REFERENCES guide.stories (id),
  exercise_type    text             NOT NULL,
  difficulty_level double precision NOT NULL,
  question         text             NOT NULL DEFAULT '',
  answer           text             NOT NULL DEFAULT '',
  created_at       timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE guide.exercise_attempts (
  id          uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id     uuid        NOT NULL REFERENCES guide.users (id),
  exercise_id uuid        NOT NULL REFERENCES guide.exercises (id),
  is_correct  boolean     NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE guide.learning_sessions (
  id               uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id          uuid        NOT NULL REFERENCES guide.users (id),
  started_at       timestamptz NOT NULL,
  completed_at     timestamptz,
  duration_minutes integer     NOT NULL DEFAULT 0
);

CREATE TABLE guide.user_events (
  id         uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id    uuid        NOT NULL REFERENCES guide.users (id),
  session_id uuid,
  event_type text        NOT NULL,
  payload    jsonb       NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
