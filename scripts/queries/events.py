#!/usr/bin/env python3
"""Reads an archive into pandas, and answers three questions with it.

usage: events.py ARCHIVE {events-by-day,hour-of-day,newest-version}

Prints a JSON object for each row of the result. The SQL queries of the same names limit the days and
have more columns. In a notebook, import read and newest from this file. Needs pandas 1.5 or later.
"""
import json
import pathlib
import re
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

SWEDEN = ZoneInfo("Europe/Stockholm")
MONTHS = ["januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"]
COLUMNS = ["kind", "id", "day", "published_at", "incident_at", "first_seen", "type", "name", "summary", "location", "gps", "file", "line"]


def published_at(text):
    """Returns the time in datetime. The hour may have one digit."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(SWEDEN)
    except (TypeError, ValueError):
        return None


def incident_at(name, day):
    """Returns the time in a name, such as "31 december 23.50, Rån, Malmö", of an event of this day."""
    stated = re.match(r"(\d{1,2}) ([a-z]+) (\d{1,2})[.:](\d\d)\b", str(name).lower())
    if not stated or stated[2] not in MONTHS:
        return None
    month = MONTHS.index(stated[2]) + 1
    distance = month - day.month
    year = day.year - (distance > 6) + (distance < -6)
    try:
        return datetime(year, month, int(stated[1]), int(stated[3]), int(stated[4]), tzinfo=SWEDEN)
    except ValueError:
        return None


def read(archive):
    """Returns all versions of all events, a row each."""
    rows = []
    for kind in ("events", "revisions"):
        for path in pathlib.Path(archive).glob(f"{kind}/*/*/*/{kind}-*.jsonl"):
            day = datetime(*map(int, path.parts[-4:-1])).date()
            first_seen = datetime.fromtimestamp(int(path.stem.rpartition("-")[2]), SWEDEN)
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                if not line:
                    continue
                event = json.loads(line)
                place = event.get("location") or {}
                rows.append([kind, event["id"], day, published_at(event.get("datetime")), incident_at(event.get("name"), day), first_seen,
                             event.get("type"), event.get("name"), event.get("summary"), place.get("name"), place.get("gps"), str(path), number])
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["id", "kind", "first_seen", "file", "line"], ignore_index=True)


def newest(versions):
    """Returns the newest version of each event."""
    return versions.groupby("id").tail(1)


def events_by_day(versions):
    events = versions[versions.kind == "events"]
    return events.groupby(["day", "type"]).size().reset_index(name="events")


def hour_of_day(versions):
    incidents = newest(versions)
    incidents = incidents[~incidents.type.str.startswith("Sammanfattning", na=False)]
    hours = incidents.incident_at.dropna().map(lambda t: t.hour)
    return hours.value_counts().reindex(range(24), fill_value=0).rename_axis("hour").reset_index(name="incidents")


def newest_version(versions):
    changed = newest(versions[versions.groupby("id").id.transform("size") > 1])
    return changed.sort_values(["first_seen", "id"], ascending=False)[["id", "type", "name", "summary"]].head(100)


QUERIES = {"events-by-day": events_by_day, "hour-of-day": hour_of_day, "newest-version": newest_version}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in QUERIES:
        sys.exit(__doc__.split("\n\n")[1])
    for row in QUERIES[sys.argv[2]](read(sys.argv[1])).to_dict("records"):
        print(json.dumps(row, default=str, ensure_ascii=False))
