-- Which fields do the police change, and how long after the version before? Compares each later
-- version with the one before it. A version may change several fields. "other" stands for fields that
-- the views do not show.
WITH pairs AS (
  SELECT *, lag(first_seen) OVER earlier AS first_seen_before, lag(url) OVER earlier AS url_before,
    lag(summary) OVER earlier AS summary_before, lag(name) OVER earlier AS name_before,
    lag(type) OVER earlier AS type_before, lag(location) OVER earlier AS location_before,
    lag(lat) OVER earlier AS lat_before, lag(lon) OVER earlier AS lon_before, lag(datetime) OVER earlier AS datetime_before
  FROM numbered
  WINDOW earlier AS (PARTITION BY id ORDER BY version)
), changes AS (
  SELECT id, version, (epoch(first_seen) - epoch(first_seen_before)) / 3600 AS hours, list_filter([
    CASE WHEN url IS DISTINCT FROM url_before THEN 'url' END,
    CASE WHEN summary IS DISTINCT FROM summary_before THEN 'summary' END,
    CASE WHEN name IS DISTINCT FROM name_before THEN 'name' END,
    CASE WHEN type IS DISTINCT FROM type_before THEN 'type' END,
    CASE WHEN location IS DISTINCT FROM location_before OR lat IS DISTINCT FROM lat_before
      OR lon IS DISTINCT FROM lon_before THEN 'location' END,
    CASE WHEN datetime IS DISTINCT FROM datetime_before THEN 'datetime' END], field -> field IS NOT NULL) AS fields
  FROM pairs
  WHERE version > 1
)
SELECT field, count(*) AS versions, count(DISTINCT id) AS events, round(median(hours), 1) AS median_hours
FROM (SELECT id, hours, unnest(CASE WHEN fields = [] THEN ['other'] ELSE fields END) AS field FROM changes)
GROUP BY field
ORDER BY versions DESC, field;
