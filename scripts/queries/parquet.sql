-- Recipe: Parquet files for pandas, Spark and others. Writes the newest version of each event, typed, to a folder
-- with a file for each year, such as year=2026/data_0.parquet. It is the folder parquet in the current
-- folder, unless the variable output has another path. Files of the same names are replaced.
COPY (
  SELECT year(day) AS year, * EXCLUDE (kind, datetime, json, filename, line_number) FROM latest ORDER BY published_at, id
) TO (coalesce(getvariable('output'), 'parquet')) (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (year), OVERWRITE_OR_IGNORE);
