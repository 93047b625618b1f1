"""What replay.mjs does, in Python: each line by `json.loads`.

python3 replay.py TRACE-FOLDER [MINUTES]
"""

import json
import sys
from math import inf
from pathlib import Path

FOLDER = Path(sys.argv[1])
TTL_MS = float(sys.argv[2] if len(sys.argv) > 2 else 15) * 60_000


class Tab:
    __slots__ = ("tab", "win", "active", "pinned", "audible", "gone", "held", "bytes", "last_active_ms")

    def __init__(self, facts):
        self.tab, self.win, self.active = facts["tab"], facts["win"], False
        self.pinned, self.audible, self.gone = facts["pinned"], facts["audible"], facts["discarded"]
        self.held, self.bytes, self.last_active_ms = False, 0, facts.get("last_accessed", now_ms)


tabs = {}
in_front = {}  # a window's tab
focused = None
now_ms = None
next_due_ms = inf  # nothing is due before it
held_bytes = discards = reloads = saved_byte_ms = 0


def changed(tab):
    global next_due_ms
    next_due_ms = min(next_due_ms, tab.last_active_ms + TTL_MS)


def see(tab):
    tab.last_active_ms = now_ms
    changed(tab)


def pass_time(until_ms, asleep_ms=0):
    global now_ms, saved_byte_ms
    saved_byte_ms += held_bytes * (until_ms - now_ms - asleep_ms)
    now_ms = until_ms


def discard_until(until_ms):
    """Discards what is due before a time, each tab when it is."""
    global next_due_ms, held_bytes, discards
    while next_due_ms < until_ms:
        ripest = None
        for tab in tabs.values():
            may_go = not (tab.active or tab.pinned or tab.audible or tab.held or tab.gone)
            if may_go and (ripest is None or tab.last_active_ms < ripest.last_active_ms):
                ripest = tab
        next_due_ms = inf if ripest is None else ripest.last_active_ms + TTL_MS
        if next_due_ms >= until_ms:
            return
        pass_time(max(now_ms, next_due_ms))
        ripest.held = True
        held_bytes += ripest.bytes
        discards += 1


def let_go(tab):
    global held_bytes
    tab.held = False
    held_bytes -= tab.bytes


def come_back(tab):
    global reloads
    let_go(tab)
    reloads += 1


def leave_front(win):
    tab = tabs.get(in_front.pop(win, None))
    if tab is not None:
        tab.active = False
        see(tab)


def activate(tab, win):
    if in_front.get(win) != tab.tab:
        leave_front(win)
    in_front[win] = tab.tab
    tab.win, tab.active = win, True
    see(tab)
    if tab.held:
        come_back(tab)


def open_tab(facts):
    tab = tabs[facts["tab"]] = Tab(facts)
    changed(tab)
    if facts["active"]:
        activate(tab, tab.win)


def close(tab):
    if tab.held:
        let_go(tab)
    if tab.active:
        in_front.pop(tab.win, None)
    del tabs[tab.tab]


def session_started(line):
    for facts in line["tabs"]:
        open_tab(facts)


def tab_activated(line):
    activate(tabs[line["tab"]], line["win"])


def tab_changed(line):
    tab = tabs[line["tab"]]
    tab.pinned = line.get("pinned", tab.pinned)
    tab.audible = line.get("audible", tab.audible)
    changed(tab)


def tab_moved(line):
    tab = tabs[line["tab"]]
    if tab.active:
        leave_front(tab.win)
    tab.win = line["win"]


def tab_discarded(line):
    tab = tabs[line["tab"]]
    if tab.held:
        let_go(tab)
    tab.gone = True


def tab_restored(line):
    tab = tabs[line["tab"]]
    tab.gone = False
    changed(tab)
    if tab.held:
        come_back(tab)


def tab_closed(line):
    close(tabs[line["tab"]])


def tab_memory(line):
    global held_bytes
    tab = tabs[line["tab"]]
    if tab.held:
        held_bytes += line["bytes"] - tab.bytes
    tab.bytes = line["bytes"]


def window_closed(line):
    for tab in [tab for tab in tabs.values() if tab.win == line["win"]]:
        close(tab)


def window_focused(line):
    global focused
    for win in (focused, line.get("win")):
        tab = tabs.get(in_front.get(win))
        if tab is not None:
            see(tab)
    focused = line.get("win")


EVENTS = {
    "session_started": session_started,
    "tab_opened": open_tab,
    "tab_activated": tab_activated,
    "tab_changed": tab_changed,
    "tab_moved": tab_moved,
    "tab_discarded": tab_discarded,
    "tab_restored": tab_restored,
    "tab_closed": tab_closed,
    "tab_memory": tab_memory,
    "window_closed": window_closed,
    "window_focused": window_focused,
}

for path in sorted(FOLDER.iterdir()):
    with path.open("rb") as file:
        for text in file:
            line = json.loads(text)
            t_ms = line["t_ms"]
            if now_ms is None:
                now_ms = t_ms
            asleep_ms = line["ms"] if line["type"] == "suspended" else 0
            discard_until(t_ms - asleep_ms)
            pass_time(t_ms, asleep_ms)
            event = EVENTS.get(line["type"])
            if event is not None:
                event(line)
            discard_until(t_ms + 1)

saved_gib_h = saved_byte_ms / 2**30 / 3_600_000
print(json.dumps({"discards": discards, "reloads": reloads, "saved_gib_h": saved_gib_h}))
