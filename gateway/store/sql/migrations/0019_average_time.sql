-- Whether a user's list of services has a time with each, as some panels' lists do.
-- Why: strict clients want the fields of the contract and no other, so it is each user's choice.
-- Programs from 0018 on work with it.

ALTER TABLE users ADD COLUMN average_time BIGINT NOT NULL DEFAULT 0 CHECK(average_time IN (0, 1));
