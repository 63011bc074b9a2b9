-- Numbers that are allotted once and never again.

-- name: counter_advance
INSERT INTO counters(name, value) VALUES(:name, CAST(:first AS BIGINT) + CAST(:count AS BIGINT))
ON CONFLICT(name) DO UPDATE SET value = counters.value + CAST(:count AS BIGINT)
RETURNING value
