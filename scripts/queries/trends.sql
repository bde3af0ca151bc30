-- Which types of events become more or less frequent? Compares the newest whole week, from Monday to Sunday,
-- with the week before and with the mean of the four weeks before. Shows types that have 5 events or more in one
-- of these weeks. A week with gaps, which verify lists, has too few events.
WITH newest AS (
  SELECT date_trunc('week', max(day)) - INTERVAL 7 DAYS AS monday FROM events
), counts AS (
  SELECT type, date_diff('week', date_trunc('week', day), monday) AS weeks_ago, count(*) AS number
  FROM events, newest
  WHERE day < monday + INTERVAL 7 DAYS AND day >= monday - INTERVAL 28 DAYS
  GROUP BY ALL
), weeks AS (
  SELECT type,
    coalesce(sum(number) FILTER (weeks_ago = 0), 0)::INTEGER AS events,
    coalesce(sum(number) FILTER (weeks_ago = 1), 0)::INTEGER AS week_before,
    round(coalesce(sum(number) FILTER (weeks_ago > 0), 0) / 4, 2) AS mean_of_4_before
  FROM counts
  GROUP BY type
  HAVING max(number) >= 5
)
SELECT monday::DATE AS monday, type, events, week_before, mean_of_4_before, events - week_before AS change
FROM weeks, newest
ORDER BY abs(change) DESC, type;
