-- access: write
-- Holds back everything that would refer to a learner who is about to go, and waits for what is
-- under way. No row: no such learner.
-- $1 uuid: learner
SELECT u.id FROM users u WHERE u.id = $1::uuid FOR UPDATE
