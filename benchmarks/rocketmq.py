#!/usr/bin/env python3
"""RocketMQ: our client, Apache's Java client and the connector in the program, on one broker, in turns. Prints a Markdown table.

  rocketmq.py --riverrun target/release/riverrun [--rounds 5] [--messages 400000]

The broker is Apache's, started for it. Only ratios within one run mean something: all of it shares the machine with the broker.
"""
import argparse
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ["cargo", "run", "--release", "--quiet", "-p", "riverrun-rocketmq-client", "--example", "throughput", "--"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--riverrun", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=400_000)
    chosen = parser.parse_args()
    program = str(chosen.riverrun.resolve())
    print(f"{os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}", flush=True)
    subprocess.run([*EXAMPLE, str(chosen.messages), str(chosen.rounds), program], check=True, cwd=ROOT)
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
