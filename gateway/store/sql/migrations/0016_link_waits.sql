-- Orders that wait until their panel has done with an earlier one that has the same link.
-- Why: such a panel refuses the second one, and where no other route takes it the charge went back at once.
-- Programs from 0015 on work with it: one that takes such an order over asks its panel before the time.

-- When a planned attempt may be sent, in ms, and the order of ours whose end it waits for; empty: at once, and for none.
ALTER TABLE attempts ADD COLUMN not_before BIGINT;
ALTER TABLE attempts ADD COLUMN waits_for BIGINT;
-- What a followed order is for, in short, so that the one that holds a link is found.
ALTER TABLE polls ADD COLUMN link TEXT;
CREATE INDEX polls_by_link ON polls(link, provider) WHERE link IS NOT NULL;
