#!/usr/bin/env python3
"""Requests a second of Riverrun's HTTP sink beside a bare loop and Redpanda Connect; a dead destination; a stalled one. Prints Markdown tables.

  http_sink.py --program target/release/http_requests [--redpanda ~/.cache/riverrun/redpanda/connect] [--rounds 5] [--only throughput|dead|stalled]

throughput  the same POST with 64 connections to the same server on this machine, in turns: a loop over the sink's HTTP client that does nothing else,
            a job with the sink, and Redpanda Connect's `http_client` output (its Apache-licensed part, built with Go from http_sink/redpanda)
dead        a job over ten destinations, of which one is silent or refuses connections: what that costs the other nine
stalled     a job of a million records whose server answers nothing for 20 s, and what memory it takes

Requests a second are the server's count between the first and the last of them; CPU seconds are the client process's, its start included, and the server's
are not among them.
"""
import argparse
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # before the module beside this one

import flink

FOLDER = pathlib.Path(__file__).resolve().parent / "http_sink"
STALL = 20


class Server:
    """The server, in a process of its own; `ports` are where it listens."""

    def __init__(self, program, ports, wait=0):
        self.command = [program, "serve", str(ports), str(wait)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = [int(port) for port in self.process.stdout.readline().split()]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def urls(self):
        return [f"http://127.0.0.1:{port}/" for port in self.ports]

    def taken(self):
        """Of each port since the last call: how many requests came, and the seconds of the first and the last."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0])
        connection.request("GET", "/taken")
        taken = json.load(connection.getresponse())
        connection.close()
        return [(count, first / 1000, last / 1000) for count, first, last in taken]


class Run:
    """A client's process from start to end: CPU seconds and largest memory."""

    def __init__(self, command, environment=None):
        began = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{command} ended with {process.returncode}")
        self.seconds = time.monotonic() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss / 1024


def rate(taken):
    """Requests a second to all of these ports together."""
    count, first, last = sum(port[0] for port in taken), min(port[1] for port in taken), max(port[2] for port in taken)
    return count / (last - first)


def throughput(chosen):
    program, requests, fewer = chosen.program, chosen.requests, max(chosen.requests // 3, 1)
    with Server(program, 1) as server:
        url = server.urls()[0]
        redpanda = [chosen.redpanda, "run", str(FOLDER / "redpanda.yaml")]
        clients = {
            "bare loop": ([program, "loop", url, str(requests)], None, requests),
            "Riverrun": ([program, "job", url, str(requests)], None, requests),
            "Redpanda Connect": (redpanda, {"URL": url, "COUNT": str(fewer)}, fewer),
        }
        rounds = []
        print("| | client | requests/s | of the loop's | requests per CPU s | of Redpanda's | memory, MB |\n|---|---|---|---|---|---|---|")
        for number in range(chosen.rounds + 1):
            figures = {}
            for name, (command, environment, count) in clients.items():
                run = Run(command, environment)
                taken = server.taken()
                if taken[0][0] != count:
                    raise SystemExit(f"{name} has sent {taken[0][0]} of {count} requests")
                figures[name] = (rate(taken), count / run.cpu, run.peak_mb)
            if number > 0:  # the first round warms up
                rounds.append(figures)
                show(number, figures)
        columns = {name: zip(*(figures[name] for figures in rounds)) for name in clients}
        show("median", {name: tuple(map(statistics.median, of_client)) for name, of_client in columns.items()})
        ratios = [(f["Riverrun"][0] / f["bare loop"][0], f["Riverrun"][1] / f["Redpanda Connect"][1]) for f in rounds]
        of_loop, of_redpanda = (statistics.median(column) for column in zip(*ratios))
        print(f"\nMedian of the rounds' ratios: {of_loop:.0%} of the bare loop's requests a second, "
              f"{of_redpanda:.1f}x Redpanda Connect's requests per CPU second.")


def show(label, figures):
    for name, (second, per_cpu, peak) in figures.items():
        of_loop, of_redpanda = second / figures["bare loop"][0], per_cpu / figures["Redpanda Connect"][1]
        print(f"| {label} | {name} | {second:,.0f} | {of_loop:.0%} | {per_cpu:,.0f} | {of_redpanda:.2f}x | {peak:.0f} |", flush=True)


def dead(chosen):
    """The nine others' requests a second: while the tenth answers, while it is silent, and while it refuses."""
    with Server(chosen.program, 10) as server, socket.socket() as silent, socket.socket() as refusing:
        for one in (silent, refusing):
            one.bind(("127.0.0.1", 0))
        silent.listen(1024)  # connections are made, and nobody takes them
        urls, others = server.urls(), server.urls()[:9]
        tenth = {"answers": urls[9], "is silent": at(silent), "refuses": at(refusing)}
        rounds = []
        print("| | the tenth | requests/s to the nine | of those where it answers | failed over |\n|---|---|---|---|---|")
        for number in range(chosen.rounds + 1):
            figures = {}
            for name, url in tenth.items():
                with tempfile.TemporaryDirectory(prefix="riverrun-benchmark-") as folder:
                    store = {"storage": "local", "table": "failed", "local.path": folder}
                    arguments = [part for key, value in store.items() for part in (f"--http.sink.failover.{key}", value)]
                    Run([chosen.program, "job", ",".join([*others, url]), str(chosen.requests), *arguments])
                    kept = sum(len(file.read_bytes().splitlines()) for file in pathlib.Path(folder).rglob("*") if file.is_file())
                taken = server.taken()
                if sum(port[0] for port in taken[:9]) < chosen.requests // 10 * 9 or kept + taken[9][0] < chosen.requests // 10:
                    raise SystemExit(f"{name}: requests are missing: {taken}, {kept} were kept")
                figures[name] = (rate(taken[:9]), kept)
            if number > 0:
                rounds.append(figures)
                for name, (second, kept) in figures.items():
                    print(f"| {number} | {name} | {second:,.0f} | {second / figures['answers'][0]:.0%} | {kept:,} |", flush=True)
        for name in list(tenth)[1:]:
            print(f"\nWhile the tenth {name}: median {statistics.median(f[name][0] / f['answers'][0] for f in rounds):.0%}.")


def at(bound):
    return f"http://127.0.0.1:{bound.getsockname()[1]}/"


def stalled(chosen):
    with Server(chosen.program, 1, STALL) as server:
        run = Run([chosen.program, "job", server.urls()[0], str(chosen.records), "--http.sink.threshold.timeout", "60 s"])
        taken = server.taken()
    print("| records | answered | nothing was answered for | whole time | largest memory |\n|---|---|---|---|---|")
    print(f"| {chosen.records:,} | {taken[0][0]:,} | {STALL} s | {run.seconds:.0f} s | {run.peak_mb:.0f} MB |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--redpanda", default=str(flink.CACHE / "redpanda" / "connect"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    measures = {"throughput": throughput, "dead": dead, "stalled": stalled}
    parser.add_argument("--only", choices=measures)
    chosen = parser.parse_args()
    if chosen.only in (None, "throughput") and not os.path.exists(chosen.redpanda):
        subprocess.run(["go", "build", "-o", chosen.redpanda, "."], cwd=FOLDER / "redpanda", check=True)
    for name, measure in measures.items():
        if chosen.only in (None, name):
            print(f"\n**{name}**, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}\n", flush=True)
            measure(chosen)


if __name__ == "__main__":
    main()
