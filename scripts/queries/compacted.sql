-- Makes the views of views.sql read the file that compact.sql has written. Read this file after
-- views.sql. The file is versions.parquet in the current folder, unless the variable compacted has
-- another path.
CREATE OR REPLACE VIEW versions AS FROM read_parquet(coalesce(getvariable('compacted'), 'versions.parquet'));
