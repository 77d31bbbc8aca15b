-- access: read
-- One row by key of bench_points, which the benchmark of point reads makes: an answer so small that
-- the way there is what is measured.
-- $1 integer: key
SELECT id, email, time_zone, created_at
FROM bench_points
WHERE id = $1
