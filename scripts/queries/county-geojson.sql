-- Recipe: a map for QGIS, Leaflet and others. Writes a GeoJSON file with a point for each county and its number
-- of events. It is counties.geojson in the current folder, unless the variable output has another path.
COPY (
  SELECT 'FeatureCollection' AS type, list({
    type: 'Feature',
    geometry: {type: 'Point', coordinates: [lon, lat]},
    properties: {county: county, events: events}
  } ORDER BY county) AS features
  FROM (
    SELECT county, count(*) AS events,
      round(coalesce(any_value(lat) FILTER (location = county), avg(lat)), 4) AS lat,
      round(coalesce(any_value(lon) FILTER (location = county), avg(lon)), 4) AS lon
    FROM latest
    WHERE county IS NOT NULL AND type NOT LIKE 'Sammanfattning%'
    GROUP BY county
  )
) TO (coalesce(getvariable('output'), 'counties.geojson')) (FORMAT json);
