-- What the scheduler of reviews (FSRS-6) knows of a learner's memory of a word, and whose data an
-- answer in the ledger of idempotency keys holds. All NULL where a row was made without the
-- scheduler. New columns without a default rewrite nothing; the checks hold for every row that there
-- is, since all of them are NULL there, so that no table is read through while it is locked: hence
-- NOT VALID, which new rows are held to all the same.

SET LOCAL ROLE lyceum_owner;

ALTER TABLE user_vocabulary_progress
  ADD COLUMN stability      double precision,  -- days until the chance of recall is 90 %
  ADD COLUMN difficulty     double precision,  -- 1 to 10
  ADD COLUMN learning_state text,
  ADD COLUMN learning_step  integer,           -- of the short steps, from 0
  ADD COLUMN due            timestamptz,
  ADD CONSTRAINT user_vocabulary_progress_memory_check CHECK (
    CASE WHEN stability IS NULL
         THEN num_nonnulls(difficulty, learning_state, learning_step, due) = 0
         ELSE num_nulls(difficulty, learning_state, learning_step, due, last_reviewed) = 0
              AND stability > 0 AND stability < 'infinity'
              AND difficulty BETWEEN 1 AND 10
              AND learning_state IN ('learning', 'review', 'relearning')
              AND learning_step >= 0
              AND isfinite(due)
    END) NOT VALID;

-- No foreign key: an answer is removed with its learner, by the same transaction, or by its age.
ALTER TABLE idempotency_keys ADD COLUMN user_id uuid;

RESET ROLE;
