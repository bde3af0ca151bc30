-- At which hour of the day do incidents happen? Hours are Swedish local time, from the name of the
-- event. The hour in datetime says when the police wrote it, which is often in the next morning.
-- Summaries have no time of an incident. The columns are the types with most events.
SELECT hours.hour, count(incident_at) AS incidents,
  count(incident_at) FILTER (type LIKE 'Trafikolycka%') AS traffic_accidents,
  count(incident_at) FILTER (type LIKE 'Brand%' OR type LIKE 'Mordbrand%') AS fires,
  count(incident_at) FILTER (type LIKE 'Rattfylleri%') AS drunk_driving,
  count(incident_at) FILTER (type LIKE 'Misshandel%') AS assaults
FROM range(24) AS hours(hour) LEFT JOIN latest
  ON hour(incident_at) = hours.hour AND type NOT LIKE 'Sammanfattning%'
GROUP BY hours.hour
ORDER BY hours.hour;
