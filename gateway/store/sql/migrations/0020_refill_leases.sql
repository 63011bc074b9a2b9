-- Who follows a refill at the moment, as polls and children have it.
-- Why: a process that ends hands back what it had claimed; without this the next one waited for the lease to run out.
-- Programs from 0019 on work with it: they claim without a name, and what they claim comes free by its time, as before.

ALTER TABLE refills ADD COLUMN lease_owner TEXT;
