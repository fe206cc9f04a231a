"""The input files of the benchmarks: the same rows for every run, made once per size.

Row i has id i, key (i * 7919) mod 1000, amount (i * 104729) mod 1000, and an event time i milliseconds after 2026-01-01 00:00:00.
"""
import datetime
import os
import sys

START = datetime.datetime(2026, 1, 1)


def make(folder, rows, kinds):
    """Makes events.csv and events.json, as `kinds` says, with `rows` rows in `folder`, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        path = folder / f"events.{kind}"
        if path.exists():
            continue
        print(f"writing {path}", file=sys.stderr)
        part = path.with_suffix(".part")
        with open(part, "w", buffering=1 << 20) as file:
            for second in range(0, rows, 1000):
                moment = START + datetime.timedelta(milliseconds=second)
                file.write("".join(map(LINE[kind], lines_of(second, min(rows, second + 1000), moment))))
        os.replace(part, path)
    return folder


def lines_of(begin, end, moment):
    prefix = moment.strftime("%Y-%m-%d %H:%M:%S.")
    return [(i, i * 7919 % 1000, i * 104729 % 1000, f"{prefix}{i % 1000:03}") for i in range(begin, end)]


LINE = {
    "csv": lambda row: "%d,%d,%d,%s\n" % row,
    "json": lambda row: '{"id":%d,"k":%d,"amount":%d,"ts":"%s"}\n' % row,
}
