-- Views over an archive for DuckDB 1.4 and later: versions, events, revisions and latest.
-- DATA.md describes their columns.
--
-- The archive is the folder "archive" in the current folder, unless the variable archive has
-- another path, or the address of a bucket:
--
--     SET VARIABLE archive = '/srv/polisen/archive';
--
-- A view reads the files again at each query. compact.sql makes a copy that is faster to read.

-- Dates and hours in the results are Swedish, on every machine.
SET TimeZone = 'Europe/Stockholm';

-- The 290 municipalities of Sweden by county. The API writes some of their names in its own
-- way, such as "Upplands väsby", so names are compared in lower case.
CREATE OR REPLACE TABLE municipalities AS
SELECT county, unnest(string_split(names, ',')) AS municipality
FROM (VALUES
  ('Stockholms län', 'botkyrka,danderyd,ekerö,haninge,huddinge,järfälla,lidingö,nacka,norrtälje,nykvarn,nynäshamn,salem,sigtuna,sollentuna,solna,stockholm,sundbyberg,södertälje,tyresö,täby,upplands väsby,upplands-bro,vallentuna,vaxholm,värmdö,österåker'),
  ('Uppsala län', 'enköping,heby,håbo,knivsta,tierp,uppsala,älvkarleby,östhammar'),
  ('Södermanlands län', 'eskilstuna,flen,gnesta,katrineholm,nyköping,oxelösund,strängnäs,trosa,vingåker'),
  ('Östergötlands län', 'boxholm,finspång,kinda,linköping,mjölby,motala,norrköping,söderköping,vadstena,valdemarsvik,ydre,åtvidaberg,ödeshög'),
  ('Jönköpings län', 'aneby,eksjö,gislaved,gnosjö,habo,jönköping,mullsjö,nässjö,sävsjö,tranås,vaggeryd,vetlanda,värnamo'),
  ('Kronobergs län', 'alvesta,lessebo,ljungby,markaryd,tingsryd,uppvidinge,växjö,älmhult'),
  ('Kalmar län', 'borgholm,emmaboda,hultsfred,högsby,kalmar,mönsterås,mörbylånga,nybro,oskarshamn,torsås,vimmerby,västervik'),
  ('Gotlands län', 'gotland'),
  ('Blekinge län', 'karlshamn,karlskrona,olofström,ronneby,sölvesborg'),
  ('Skåne län', 'bjuv,bromölla,burlöv,båstad,eslöv,helsingborg,hässleholm,höganäs,hörby,höör,klippan,kristianstad,kävlinge,landskrona,lomma,lund,malmö,osby,perstorp,simrishamn,sjöbo,skurup,staffanstorp,svalöv,svedala,tomelilla,trelleborg,vellinge,ystad,åstorp,ängelholm,örkelljunga,östra göinge'),
  ('Hallands län', 'falkenberg,halmstad,hylte,kungsbacka,laholm,varberg'),
  ('Västra Götalands län', 'ale,alingsås,bengtsfors,bollebygd,borås,dals-ed,essunga,falköping,färgelanda,grästorp,gullspång,göteborg,götene,herrljunga,hjo,härryda,karlsborg,kungälv,lerum,lidköping,lilla edet,lysekil,mariestad,mark,mellerud,munkedal,mölndal,orust,partille,skara,skövde,sotenäs,stenungsund,strömstad,svenljunga,tanum,tibro,tidaholm,tjörn,tranemo,trollhättan,töreboda,uddevalla,ulricehamn,vara,vårgårda,vänersborg,åmål,öckerö'),
  ('Värmlands län', 'arvika,eda,filipstad,forshaga,grums,hagfors,hammarö,karlstad,kil,kristinehamn,munkfors,storfors,sunne,säffle,torsby,årjäng'),
  ('Örebro län', 'askersund,degerfors,hallsberg,hällefors,karlskoga,kumla,laxå,lekeberg,lindesberg,ljusnarsberg,nora,örebro'),
  ('Västmanlands län', 'arboga,fagersta,hallstahammar,kungsör,köping,norberg,sala,skinnskatteberg,surahammar,västerås'),
  ('Dalarnas län', 'avesta,borlänge,falun,gagnef,hedemora,leksand,ludvika,malung-sälen,mora,orsa,rättvik,smedjebacken,säter,vansbro,älvdalen'),
  ('Gävleborgs län', 'bollnäs,gävle,hofors,hudiksvall,ljusdal,nordanstig,ockelbo,ovanåker,sandviken,söderhamn'),
  ('Västernorrlands län', 'härnösand,kramfors,sollefteå,sundsvall,timrå,ånge,örnsköldsvik'),
  ('Jämtlands län', 'berg,bräcke,härjedalen,krokom,ragunda,strömsund,åre,östersund'),
  ('Västerbottens län', 'bjurholm,dorotea,lycksele,malå,nordmaling,norsjö,robertsfors,skellefteå,sorsele,storuman,umeå,vilhelmina,vindeln,vännäs,åsele'),
  ('Norrbottens län', 'arjeplog,arvidsjaur,boden,gällivare,haparanda,jokkmokk,kalix,kiruna,luleå,pajala,piteå,älvsbyn,överkalix,övertorneå')
) AS counties(county, names);

-- The lines of all objects of a kind, "events" or "revisions". A folder without objects gives
-- no lines. DuckDB's parser refuses half of a surrogate pair, such as \ud83d, so its place is
-- taken by U+FFFD in lines that have one.
CREATE OR REPLACE MACRO archive_lines(kind) AS TABLE
SELECT filename, line_number, json,
  CASE WHEN json_valid(json) THEN json
    ELSE regexp_replace(json, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', chr(65533), 'g') END AS readable
FROM (
  SELECT filename,
    unnest(string_split(content, chr(10))) AS json,
    generate_subscripts(string_split(content, chr(10)), 1) AS line_number
  FROM read_text(coalesce(getvariable('archive'), 'archive') || '/' || kind || '/*/*/*/' || kind || '-*.jsonl')
)
WHERE json <> '';

-- The fields of these lines, with their types. A field that is missing, or has another type, is
-- NULL. Lines without an integer id are left out.
CREATE OR REPLACE MACRO archive_versions(kind) AS TABLE
WITH fields AS (
  SELECT *, unnest(json_transform(readable, '{"id": "BIGINT", "datetime": "VARCHAR", "name": "VARCHAR", "summary": "VARCHAR",
    "url": "VARCHAR", "type": "VARCHAR", "location": {"name": "VARCHAR", "gps": "VARCHAR"}}')),
    regexp_extract(filename, '/(\d{4}/\d{2}/\d{2})/[a-z]+-(\d+)\.jsonl$', ['day', 'timestamp']) AS parts
  FROM archive_lines(kind)
  WHERE json_valid(readable)
), times AS (
  SELECT * EXCLUDE (location), location.name AS location, location.gps AS gps,
    try_strptime(parts.day, '%Y/%m/%d')::DATE AS day,
    -- One digit for the hour, a T, no seconds and other offsets are possible.
    TRY_CAST(upper(regexp_replace(regexp_replace(datetime,
      '^(\d{4}-\d{2}-\d{2})[ Tt](\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?([Zz]|[+-]\d{2}(?::?\d{2})?)?$', '\1 \2\3'),
      '^(\S+ \d{1,2}:\d{2})([Zz+-]|$)', '\1:00\2')) AS TIMESTAMPTZ) AS published_at,
    regexp_extract(lower(name), '^(\d{1,2}) ([a-z]+) (\d{1,2})[.:](\d{2})\b', ['day', 'month', 'hour', 'minute']) AS stated
  FROM fields
  WHERE id IS NOT NULL
), months AS (
  SELECT *, list_position(['januari', 'februari', 'mars', 'april', 'maj', 'juni', 'juli', 'augusti', 'september', 'oktober',
    'november', 'december'], stated.month) AS stated_month
  FROM times
)
SELECT kind AS kind, v.id, v.day, v.published_at,
  -- The name has no year. In January it may be about the December before.
  try_strptime(concat_ws(' ',
    year(v.day) + CASE WHEN stated_month - month(v.day) > 6 THEN -1 WHEN stated_month - month(v.day) < -6 THEN 1 ELSE 0 END,
    stated_month, v.stated.day, v.stated.hour, v.stated.minute), '%Y %m %d %H %M') AT TIME ZONE 'Europe/Stockholm' AS incident_at,
  to_timestamp(TRY_CAST(v.parts.timestamp AS BIGINT)) AS first_seen,
  v.type, v.name, v.summary, v.location,
  CASE WHEN v.location LIKE '% län' THEN v.location ELSE m.county END AS county,
  TRY_CAST(split_part(v.gps, ',', 1) AS DOUBLE) AS lat,
  TRY_CAST(split_part(v.gps, ',', 2) AS DOUBLE) AS lon,
  v.url, v.datetime, v.json, v.filename, v.line_number
FROM months v LEFT JOIN municipalities m ON m.municipality = lower(v.location);

-- All versions of all events.
CREATE OR REPLACE VIEW versions AS
FROM archive_versions('events') UNION ALL FROM archive_versions('revisions');

-- The first version of each event.
CREATE OR REPLACE VIEW events AS FROM versions WHERE kind = 'events';

-- The later versions of events.
CREATE OR REPLACE VIEW revisions AS FROM versions WHERE kind = 'revisions';

-- The versions of each event in their order. version is 1 for the first.
CREATE OR REPLACE VIEW numbered AS
SELECT *, row_number() OVER (PARTITION BY id ORDER BY kind, first_seen, filename, line_number) AS version,
  count(*) OVER (PARTITION BY id) AS versions
FROM versions;

-- The newest version of each event. versions is the number of its versions.
CREATE OR REPLACE VIEW latest AS SELECT * EXCLUDE (version) FROM numbered WHERE version = versions;
