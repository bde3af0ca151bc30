-- Recipe: one file instead of many small objects. Writes all versions of all events to a Parquet file, with their
-- lines word for word and the times at which they were first seen. It is versions.parquet in the current
-- folder, unless the variable output has another path. compacted.sql makes the views read it.
COPY (
  SELECT * FROM versions ORDER BY day, kind, first_seen, filename, line_number
) TO (coalesce(getvariable('output'), 'versions.parquet')) (FORMAT parquet, COMPRESSION zstd);
