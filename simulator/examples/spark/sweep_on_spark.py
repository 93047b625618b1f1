"""Carries the units of a sweep out on Spark, and writes the rows that come of them.

    sim sweep plan traces/* --vary ttl_minutes=5..60:12 > units.jsonl
    python sweep_on_spark.py --sim "$(which sim)" --units units.jsonl --rows rows.jsonl
    sim sweep collect --units units.jsonl rows.jsonl --output results

Spark pipes units through `sim sweep run --unit -`, a program a partition: a line in, a line out.
A task that is tried again, or twice at once, does no harm. On a cluster (--master) the traces that
the units name have to lie at the same path on every machine, and so has sim.
"""

import argparse
import os
import shlex
import sys

from pyspark.sql import SparkSession

# What `sim` wants to know of its surroundings: Spark starts it with nothing else.
SURROUNDINGS = ["HOME", "PATH", "TMPDIR", "XDG_CACHE_HOME"]


def main():
    args = parse()
    with open(args.units, encoding="utf-8") as file:
        units = file.read().splitlines()
    spark = session(args.master)
    surroundings = {name: os.environ[name] for name in SURROUNDINGS if name in os.environ}
    command = f"{shlex.quote(os.path.abspath(args.sim))} sweep run --unit -"
    partitions = args.partitions or min(len(units), 4 * spark.sparkContext.defaultParallelism)
    # checkCode: without it a program that fails would be taken for one that had nothing to say.
    rows = spark.sparkContext.parallelize(units, partitions).pipe(
        command, env=surroundings, checkCode=True
    )
    # All parts at once; an iterator would ask for one after the other.
    rows = rows.collect()
    spark.stop()
    with open(args.rows, "w", encoding="utf-8") as file:
        file.writelines(row + "\n" for row in rows)
    print(f"{len(rows)} rows of {len(units)} units: {args.rows}", file=sys.stderr)


def session(master):
    builder = (
        SparkSession.builder.appName("sim sweep")
        .master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
    )
    if master.startswith("local"):
        # Nothing listens but on this machine.
        builder = builder.config("spark.driver.host", "127.0.0.1").config(
            "spark.driver.bindAddress", "127.0.0.1"
        )
    return builder.getOrCreate()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sim", required=True, help="the program")
    parser.add_argument("--units", required=True, help="the file that `sim sweep plan` wrote")
    parser.add_argument("--rows", required=True, help="the file for the rows")
    parser.add_argument("--master", default="local[2]", help="where Spark runs (%(default)s)")
    parser.add_argument("--partitions", type=int, help="how many parts (4 a core)")
    return parser.parse_args()


if __name__ == "__main__":
    # Spark's workers are to be this Python, not whichever comes first.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    main()
