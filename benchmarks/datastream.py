#!/usr/bin/env python3
"""The DataStream API on Riverrun, on Flink and as a plain loop: map, filter, keyBy, count in windows, at parallelism 1. Prints a Markdown table.

  datastream.py --program target/release/window_count [--rounds 3] [--records 50000000] [--flink-records 10000000]

Flink runs in one Java process (its MiniCluster), with object reuse; its time is the job's own, without the start of Java.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # before the module beside this one

import flink

SOURCE = pathlib.Path(__file__).resolve().parent / "datastream" / "WindowCount.java"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=50_000_000)
    parser.add_argument("--flink-records", type=int, default=10_000_000)
    chosen = parser.parse_args()
    flink.install()
    jars = f"{flink.HOME}/lib/*"
    with tempfile.TemporaryDirectory(prefix="riverrun-benchmark-") as folder:
        subprocess.run(["javac", "-cp", jars, "-d", folder, str(SOURCE)], check=True)
        opens = ["--add-opens", "java.base/java.util=ALL-UNNAMED", "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
        java = ["java", "-Xmx2g", *opens, "-cp", f"{folder}:{jars}", "WindowCount", str(chosen.flink_records)]
        commands = {
            "Riverrun": ([chosen.program, str(chosen.records)], chosen.records),
            "plain loop": ([chosen.program, str(chosen.records), "loop"], chosen.records),
            "Flink": (java, chosen.flink_records),
        }
        print(f"{os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}; million records a second\n")
        print("| | " + " | ".join(commands) + " | of Flink's | of the loop's |\n|---|---|---|---|---|---|")
        rounds = []
        for number in range(1, chosen.rounds + 1):
            rates = []
            for command, records in commands.values():
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                rates.append(records / 1000 / int(out.split()[-1]))
            rounds.append(rates)
            print(line(number, rates), flush=True)
        print(line("median", [statistics.median(column) for column in zip(*rounds)]))


def line(label, rates):
    ours, loop, theirs = rates
    return f"| {label} | {ours:.1f} | {loop:.1f} | {theirs:.2f} | {ours / theirs:.1f}x | {loop / ours:.2f}x its time |"


if __name__ == "__main__":
    main()
