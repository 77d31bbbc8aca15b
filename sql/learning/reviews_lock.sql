-- access: write
-- Holds back other reviews of this learner until the transaction ends. No row: no such learner.
-- $1 uuid: learner
-- The learner's row stands for all of their words, so that words that have no row yet are covered
-- too. What refers to the learner goes on: it needs the key of the row, which is not touched.
SELECT u.id FROM users u WHERE u.id = $1::uuid FOR NO KEY UPDATE
