-- Which add an order was given again to: a second run of that add, after a commit nobody heard of, finds the same order.
-- Why: without it the second run found nothing unheard any more and stored a second order for one wish.

ALTER TABLE orders ADD COLUMN replayed_for BIGINT;
