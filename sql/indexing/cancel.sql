-- access: write
SELECT pg_cancel_backend($1)
