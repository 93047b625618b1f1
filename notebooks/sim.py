"""Asks `sim`, and reads what it exports.

Everything here is about what was recorded and who is asked: nothing decides, scores or compares.
Policies and scores come from `sim` alone, so that a notebook cannot disagree with it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parent.parent
EXPORTS = ROOT / "target" / "notebooks" / "exports"

# What a trace can be, besides a folder of segments.
TRACE_FILES = (".jsonl", ".jsonl.zst", ".parquet")

# Of a tab in a snapshot, what the notebooks want (recorder/FORMAT.md, "A tab").
SNAPSHOT_TAB = {
    "tab": pl.Int64,
    "win": pl.Int64,
    "host": pl.String,
    "active": pl.Boolean,
    "discarded": pl.Boolean,
}


def traces(folder: str, *, otherwise: str | None = None) -> list[str]:
    """Lists the traces in a folder, by name, as `sim` takes them.

    Where the folder has none, takes those of `otherwise` and says so.
    """
    found = [
        str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        for path in sorted((ROOT / folder).glob("*"))
        if path.is_dir() or path.name.endswith(TRACE_FILES)
    ]
    if found:
        return found
    if otherwise is None:
        raise FileNotFoundError(f"{ROOT / folder} holds no trace")
    print(f"There are no traces in {folder}: this reads those in {otherwise}.")
    return traces(otherwise)


def name(trace: str) -> str:
    """The name of a trace, from its path."""
    return Path(trace).name.removesuffix(".zst").removesuffix(".jsonl").removesuffix(".parquet")


def run(*arguments: str) -> str:
    """Runs `sim` from the project's root, and returns what it writes.

    An answer of "no" (exit code 1) is an answer; anything above is an error.
    """
    program = Path(os.environ.get("SIM", ROOT / "target" / "release" / "sim"))
    if not program.exists():
        raise FileNotFoundError(
            f"{program} is not there: build it with "
            "`cargo build --release --bin sim --features analysis`, or name one in SIM"
        )
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"sim {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def ask(*arguments: str) -> list[dict[str, Any]]:
    """Runs a verb of `sim` with `--json`, and returns the objects that it writes."""
    return [json.loads(line) for line in run(*arguments).splitlines()]


def fresh(folder: str) -> Path:
    """A place among the exports that is not there yet, for a verb that writes a folder."""
    path = EXPORTS / folder
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def trace(path: str) -> pl.DataFrame:
    """Reads a trace: a row a line, a column a field (simulator/PARQUET.md)."""
    EXPORTS.mkdir(parents=True, exist_ok=True)
    out = EXPORTS / f"{name(path)}.parquet"
    ask("convert", path, str(out), "--force", "--json")
    return pl.read_parquet(out)


def lines(trace: pl.DataFrame, *types: str) -> pl.DataFrame:
    """The lines of some types, with the fields that they have."""
    some = trace.filter(pl.col("type").is_in(types))
    return some.select(column for column in some if column.null_count() < some.height)


def with_first_ids(trace: pl.DataFrame) -> pl.DataFrame:
    """Gives each tab one id: the one it had first. Chromium gives a discarded tab a new one."""
    first: dict[int, int] = {}
    replaced = trace.filter(pl.col("type") == "tab_replaced")
    for new, old in replaced.select("tab", "old").iter_rows():
        first[new] = first.get(old, old)
    return trace.with_columns(pl.col("tab").replace(first))


def stays(trace: pl.DataFrame) -> pl.DataFrame:
    """What each tab was, from when to when.

    A row a stay: `tab`, its `host`, `state` ("front", "background" or "discarded"), the lines `seq`
    and `to_seq` and the times `t_ms` and `to_ms` between which it lasted, and `then`, the state
    after it: "closed" where the tab was closed, null where the trace ended. "front" is in front of
    its window; with two windows two tabs are.
    """
    trace = with_first_ids(trace)
    last = trace.tail(1)
    return (
        _changes_of_state(trace)
        .with_columns(
            to_seq=pl.col("seq").shift(-1).over("tab").fill_null(last["seq"].item()),
            to_ms=pl.col("t_ms").shift(-1).over("tab").fill_null(last["t_ms"].item()),
            then=pl.col("state").shift(-1).over("tab"),
        )
        .filter(pl.col("state") != "closed")
        .join_asof(_hosts(trace), on="seq", by="tab", check_sortedness=False)
    )


def _changes_of_state(trace: pl.DataFrame) -> pl.DataFrame:
    """The lines at which a tab becomes something else: `seq`, `t_ms`, `tab`, `state`."""
    tabs = _first_seen(trace).with_columns(
        state=pl.when("discarded")
        .then(pl.lit("discarded"))
        .when("active")
        .then(pl.lit("front"))
        .otherwise(pl.lit("background"))
    )
    where = ["seq", "t_ms", "tab", "win"]
    activated = trace.filter(pl.col("type") == "tab_activated").select(where)
    in_front = pl.concat([tabs.filter(state="front").select(where), activated]).sort("seq")
    left = in_front.with_columns(tab=pl.col("tab").shift().over("win"), by=pl.col("tab")).filter(
        pl.col("tab") != pl.col("by")
    )
    told = {"tab_discarded": "discarded", "tab_restored": "restored", "tab_closed": "closed"}
    columns = ["seq", "t_ms", "tab", "state"]
    before = pl.col("state").shift().over("tab")
    return (
        pl.concat(
            [
                # Where one line makes a tab leave and another come, in this order.
                left.with_columns(state=pl.lit("background")).select(columns),
                tabs.select(columns),
                activated.with_columns(state=pl.lit("front")).select(columns),
                trace.filter(pl.col("type").is_in(list(told)))
                .with_columns(state=pl.col("type").replace(told))
                .select(columns),
            ]
        )
        .sort("seq", maintain_order=True)
        # A closed tab is left once more by the one that takes its place.
        .filter((before == "closed").cum_max().over("tab").fill_null(False).not_())
        # What loads a tab again is mostly that it is turned to, which is told before.
        .with_columns(
            state=pl.when(pl.col("state") != "restored")
            .then("state")
            .when(before == "front")
            .then(pl.lit("front"))
            .otherwise(pl.lit("background"))
        )
        .filter(before.is_null() | (pl.col("state") != before))
    )


def _first_seen(trace: pl.DataFrame) -> pl.DataFrame:
    """The tabs of snapshots and those that were opened, as they were then."""
    columns = ["seq", "t_ms", *SNAPSHOT_TAB]
    snapshots = (
        trace.filter(pl.col("type") == "session_started")
        .select("seq", "t_ms", pl.col("tabs").str.json_decode(pl.List(pl.Struct(SNAPSHOT_TAB))))
        .explode("tabs")
        .drop_nulls("tabs")
        .unnest("tabs")
    )
    opened = trace.filter(pl.col("type") == "tab_opened").select(columns)
    return pl.concat([snapshots, opened])


def _hosts(trace: pl.DataFrame) -> pl.DataFrame:
    """The lines from which on a tab shows a host."""
    navigated = trace.filter(pl.col("type") == "tab_navigated")
    shown = [_first_seen(trace), navigated]
    return pl.concat([lines.select("seq", "tab", "host") for lines in shown]).sort("seq")
