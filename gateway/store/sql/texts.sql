-- Statements of what panels say went wrong and no table knows, and of what a person said it means.

-- name: texts_batch
-- What a process brings is numbered: run again, a batch that was taken finds its number there and adds nothing.
UPDATE owners SET texts_batch = :batch WHERE owner = :owner AND texts_batch < CAST(:batch AS BIGINT) RETURNING owner

-- name: text_heard_again
-- Before an insert that would use up a number each time.
UPDATE panel_texts SET seen = seen + CAST(:seen AS BIGINT), last_seen_at = :now
WHERE provider = :provider AND pattern = :pattern RETURNING id

-- name: text_keep
INSERT INTO panel_texts(provider, pattern, action, example, seen, first_seen_at, last_seen_at)
VALUES(:provider, :pattern, :action, :example, :seen, :now, :now)
ON CONFLICT(provider, pattern) DO UPDATE SET seen = panel_texts.seen + excluded.seen, last_seen_at = excluded.last_seen_at

-- name: texts_crowded_out
-- Beyond so many of one provider go those that were seen least, and of these the ones seen longest ago; what was classified stays.
DELETE FROM panel_texts WHERE meaning IS NULL AND id IN (
  SELECT id FROM panel_texts WHERE provider = :provider
  ORDER BY CASE WHEN meaning IS NULL THEN 1 ELSE 0 END, seen DESC, last_seen_at DESC, id DESC
  LIMIT 1000000 OFFSET CAST(:kept AS BIGINT))

-- name: texts_list
-- The most frequent of those nobody has classified first, then the classified ones.
SELECT id, provider, pattern, action, example, seen, first_seen_at, last_seen_at, meaning FROM panel_texts
WHERE (CAST(:provider AS TEXT) IS NULL OR provider = CAST(:provider AS TEXT)) AND (meaning IS NULL OR CAST(:every AS BIGINT) = 1)
ORDER BY CASE WHEN meaning IS NULL THEN 0 ELSE 1 END, seen DESC, id LIMIT :limit

-- name: text_by_id
SELECT id, provider, pattern, action, example, seen, first_seen_at, last_seen_at, meaning FROM panel_texts WHERE id = :id

-- name: text_classify
UPDATE panel_texts SET meaning = :meaning WHERE id = :id AND (meaning IS NULL OR meaning <> CAST(:meaning AS TEXT)) RETURNING id

-- name: texts_classified
SELECT provider, pattern, meaning FROM panel_texts WHERE meaning IS NOT NULL

-- name: texts_waiting
SELECT provider, COUNT(*) AS texts FROM panel_texts WHERE meaning IS NULL GROUP BY provider
