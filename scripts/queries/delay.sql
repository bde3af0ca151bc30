-- How long after its publication did the collector see an event, and how long after the incident did the
-- police publish it? In hours, by the month of publication. Events that are older than the archive are left
-- out. An import has no true times of first sight.
WITH delays AS (
  SELECT strftime(day, '%Y-%m') AS month, (epoch(first_seen) - epoch(published_at)) / 3600 AS sight,
    CASE WHEN type NOT LIKE 'Sammanfattning%' THEN (epoch(published_at) - epoch(incident_at)) / 3600 END AS publication
  FROM events
  WHERE published_at > (SELECT min(first_seen) FROM events)
)
SELECT month, count(*) AS events,
  round(quantile_cont(sight, 0.5), 2) AS sight_median,
  round(quantile_cont(sight, 0.95), 2) AS sight_95_percent,
  round(max(sight), 2) AS sight_longest,
  round(quantile_cont(publication, 0.5), 2) AS publication_median
FROM delays
GROUP BY month
ORDER BY month;
