-- How many events of each type does each day have? Shows the 14 newest days. A day is the date in
-- datetime, on which the police published the event. Night summaries describe several incidents
-- each, so they are counted separately.
SELECT day, type LIKE 'Sammanfattning%' AS summary, type, count(*) AS events
FROM events
WHERE day > (SELECT max(day) FROM events) - 14
GROUP BY ALL
ORDER BY day DESC, summary, events DESC, type;
