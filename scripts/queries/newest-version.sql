-- What does an event say now, if the police have changed it? Shows the newest version of each event
-- that has several, and what the first version said. The newest 100.
SELECT latest.id, latest.versions, latest.first_seen AS changed_at, latest.type, latest.name, latest.summary,
  events.type AS first_type, events.name AS first_name, events.summary AS first_summary
FROM latest JOIN events USING (id)
WHERE latest.versions > 1
ORDER BY changed_at DESC, latest.id DESC
LIMIT 100;
