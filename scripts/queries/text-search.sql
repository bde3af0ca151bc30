-- Which events mention a text? Searches name and summary of the newest versions, in any letter case.
-- The text is "stöld", unless the variable search has another. The newest 50.
SELECT day, id, type, location, summary
FROM latest
WHERE contains(lower(concat_ws(' ', name, summary)), lower(coalesce(getvariable('search'), 'stöld')))
ORDER BY published_at DESC, id DESC
LIMIT 50;
