-- What happened on one day? Shows the events of a day in the order of their incidents, with their newest
-- text. The day is the newest one, unless the variable day has another, such as '2026-01-02'.
SELECT id, strftime(incident_at, '%Y-%m-%d %H:%M') AS incident, strftime(published_at, '%Y-%m-%d %H:%M') AS published,
  type, location, summary, versions
FROM latest
WHERE day = coalesce(TRY_CAST(getvariable('day') AS DATE), (SELECT max(day) FROM events))
ORDER BY incident_at, published_at, id;
