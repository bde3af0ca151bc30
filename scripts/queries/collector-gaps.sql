-- When did the collector see nothing new? Shows the pauses of 11 hours and more between two first sights of
-- versions. The variable hours may hold another number. A pause has one of two causes: no run succeeded, or
-- the police published nothing. The police pause for 8 to 9 hours in most nights, and 99.9 % of their pauses
-- are shorter than 11.2 hours. Whether events are missing is a different question: verify answers it.
WITH sights AS (
  SELECT DISTINCT first_seen FROM versions
), pauses AS (
  SELECT lag(first_seen) OVER (ORDER BY first_seen) AS nothing_after, first_seen AS until FROM sights
)
SELECT nothing_after, until, round((epoch(until) - epoch(nothing_after)) / 3600, 1) AS hours
FROM pauses
WHERE epoch(until) - epoch(nothing_after) >= 3600 * coalesce(TRY_CAST(getvariable('hours') AS DOUBLE), 11)
ORDER BY nothing_after;
