-- How many events does each county have, and where is it on a map? lat and lon are the middle of the
-- county, or, if no event is about the county as a whole, of its municipalities that have events.
-- Summaries and unknown places are left out.
SELECT county, count(*) AS events, count(DISTINCT location) AS places,
  round(coalesce(any_value(lat) FILTER (location = county), avg(lat)), 4) AS lat,
  round(coalesce(any_value(lon) FILTER (location = county), avg(lon)), 4) AS lon
FROM latest
WHERE county IS NOT NULL AND type NOT LIKE 'Sammanfattning%'
GROUP BY county
ORDER BY events DESC, county;
