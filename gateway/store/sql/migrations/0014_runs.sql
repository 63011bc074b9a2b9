-- How much a panel says is missing of an order that it made for one of ours.
-- Why: panels make an order for each run of a drip-feed, and a run that ended in part is owed back by its remains.
-- Programs from 0013 on work with it.

ALTER TABLE children ADD COLUMN remains BIGINT;
