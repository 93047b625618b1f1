"""Makes of webtrackR's sample, `testdt_tracking`, the table that traces/IMPORTING.md imports.

Reads the sample as CSV from stdin, and writes page views at a desktop to stdout, without those that
another of the same user follows within a second: redirects and frames.

>>> sample = '''panelist_id,wave,timestamp,url,device
... Bo,2,2019-03-02 08:00:00.500,https://news.example/a,desktop
... Al,1,2019-03-01 18:32:04.963,https://www.News.example/a?b=c,desktop
... Al,1,2019-03-01 18:32:18.020,http://ads.example/,desktop
... Al,1,2019-03-01 18:32:19.019,https://mail.example:8443/,desktop
... Al,1,2019-03-01 18:32:20.019,https://www.News.example/a?b=c,desktop
... Al,1,2019-03-01 18:32:20.500,https://news.example/,mobile
... '''
>>> for view in views(csv.DictReader(sample.splitlines())):
...     print(*view.values())
Al-w1 1551465124963 www.news.example 0
Al-w1 1551465139019 mail.example 1
Al-w1 1551465140019 www.news.example 0
Bo-w2 1551513600500 news.example 2
"""

import csv
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def views(rows):
    """Yields the views by user and time; `url_id` tells pages apart and is counted from 0."""
    seen = []
    for row in rows:
        if row["device"] == "desktop":
            time = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=timezone.utc)
            t_ms = (time - EPOCH) // timedelta(milliseconds=1)
            seen.append((f"{row['panelist_id']}-w{row['wave']}", t_ms, row["url"]))
    seen.sort(key=lambda view: view[:2])
    ids = {}
    for (user, t_ms, url), (next_user, next_ms, _) in zip(seen, seen[1:] + [("", 0, "")]):
        if user != next_user or next_ms - t_ms >= 1_000:
            site = urlsplit(url).hostname
            yield {"user": user, "t_ms": t_ms, "site": site, "url_id": ids.setdefault(url, len(ids))}


if __name__ == "__main__":
    table = csv.DictWriter(sys.stdout, ["user", "t_ms", "site", "url_id"])
    table.writeheader()
    table.writerows(views(csv.DictReader(sys.stdin)))
