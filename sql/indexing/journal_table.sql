-- The memory of builds (src/indexes/journal.h says what the states mean).
CREATE TABLE IF NOT EXISTS lyceum.index_builds (
  id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  schema        text        NOT NULL,
  name          text        NOT NULL, -- in the catalogue
  build_name    text        NOT NULL, -- while it is built
  table_oid     bigint      NOT NULL,
  declared      text        NOT NULL, -- the statement that builds it
  definition    text        NOT NULL DEFAULT '', -- pg_get_indexdef of what was built
  state         text        NOT NULL
                CHECK (state IN ('building', 'built', 'swapped', 'done', 'failed', 'abandoned')),
  index_oid     bigint      NOT NULL DEFAULT 0,
  replaced_oid  bigint      NOT NULL DEFAULT 0,
  builder       integer     NOT NULL, -- process
  builder_start timestamptz,
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at   timestamptz,
  error         text        NOT NULL DEFAULT ''
);
COMMENT ON TABLE lyceum.index_builds IS
  'Builds of the index catalogue, written before each starts: tells our own wrecks from others';
