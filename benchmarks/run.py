#!/usr/bin/env python3
"""Runs the scripts of benchmarks/sql on Apache Flink and on Riverrun, in turns, and prints what each took as a Markdown table.

  run.py --riverrun target/release/riverrun                  every script that needs no server, 3 rounds
  run.py --only csv_tumble,group_by --rows 2000000 --rounds 5 --riverrun PATH
  run.py --engines flink --rows 200000 --rounds 1            Flink alone
  run.py --only kafka_scan --kafka 127.0.0.1:9092 --fill     also Kafka, its topic filled first

How each figure is taken stands in RESULTS.md. Nothing else should run on the machine.
"""
import argparse
import contextlib
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # before the modules beside this one

import flink
import gateway
import inputs

SQL = pathlib.Path(__file__).resolve().parent / "sql"
# A script, the input files it reads, and the ratio of throughput that is aimed at.
SCRIPTS = {
    "csv_filter": (["csv"], 8),
    "csv_tumble": (["csv"], 8),
    "json_filter": (["json"], 5),
    "datagen_tumble": ([], 20),
    "group_by": ([], 10),
    "kafka_scan": (["csv"], None),
    "first_row": ([], None),
}
TICK = os.sysconf("SC_CLK_TCK")


class Measure:
    """What one run took: `seconds` that count for the throughput, CPU seconds, and the largest resident memory in MB.

    `others` is the share of the machine's CPU that went to others meanwhile.
    """

    def __init__(self, rows, seconds, wall, cpu, peak, others):
        self.rows, self.seconds, self.wall, self.cpu, self.peak, self.others = rows, seconds, wall, cpu, peak, others

    @property
    def rate(self):
        return self.rows / self.seconds


class Flink:
    """A session cluster, started afresh for each script, so that one script's heap does not count for the next."""

    name = "Flink"

    def __init__(self, chosen):
        self.heap = chosen.heap

    def __enter__(self):
        flink.stop()
        self.cluster = flink.start(heap=self.heap, slots=1)
        return self

    def __exit__(self, *_):
        flink.stop()

    def run(self, script, rows):
        """Runs a script with INSERTs to its end. The job's own duration counts, without planning and submission."""
        workers = [self.cluster["pids"]["taskmanager"], self.cluster["pids"]["jobmanager"]]
        for pid in workers:
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # forgets the peak of the rounds before
        cpu, begin = cpu_seconds(workers[0]), time.monotonic()
        busy, ours = machine_cpu_seconds(), sum(map(cpu_seconds, self.cluster["pids"].values()))
        jobs = self.submit(script)
        wall = time.monotonic() - begin
        busy, ours = machine_cpu_seconds() - busy, sum(map(cpu_seconds, self.cluster["pids"].values())) - ours
        answers = [flink.fetch(f"{self.cluster['rest']}/jobs/{job}") for job in jobs]
        if any(answer["state"] != "FINISHED" for answer in answers):
            sys.exit(f"Flink's job ended as {answers[0]['state']}")
        seconds = sum(answer["duration"] for answer in answers) / 1000
        return Measure(rows, seconds, wall, cpu_seconds(workers[0]) - cpu, sum(map(peak_mb, workers)), share(busy - ours, wall))

    def submit(self, script):
        jobs = []
        with gateway.Session(self.cluster["gateway"], {"table.dml-sync": "true"}) as session:
            for statement in gateway.statements(script):
                answer = session.run(statement, seconds=3600)
                if statement.upper().startswith(("INSERT", "EXECUTE")):
                    jobs.append(answer.job)
        return jobs

    def first_row(self, script):
        """Seconds from handing over the last statement, a SELECT, to its first row: the cluster runs and is warm."""
        with gateway.Session(self.cluster["gateway"]) as session:
            *before, query = gateway.statements(script)
            for statement in before:
                session.run(statement)
            begin = time.monotonic()
            session.run(query)
            return time.monotonic() - begin


class Riverrun:
    """The binary, a process per run: its start counts."""

    name = "Riverrun"

    def __init__(self, chosen):
        self.binary = chosen.riverrun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, script, rows):
        with scripted(script) as path, tempfile.TemporaryFile() as errors:
            busy, begin = machine_cpu_seconds(), time.monotonic()
            child = subprocess.Popen([self.binary, "run", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
            watch = PeakWatch(child.pid)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - begin
            busy = machine_cpu_seconds() - busy
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                errors.seek(0)
                sys.exit(f"riverrun ended with {child.returncode}:\n{errors.read().decode(errors='replace')[-2000:]}")
            cpu = usage.ru_utime + usage.ru_stime
            return Measure(rows, wall, wall, cpu, watch.stop() or usage.ru_maxrss / 1024, share(busy - cpu, wall))

    def first_row(self, script):
        """Seconds from starting the process to the first line it prints that has a digit in it."""
        with scripted(script) as path:
            begin = time.monotonic()
            with subprocess.Popen([self.binary, "run", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
                for line in child.stdout:
                    if re.search(rb"\b1\b", line):
                        seconds = time.monotonic() - begin
                        child.stdout.read()
                        return seconds
        sys.exit("riverrun printed no row")


class PeakWatch:
    """Reads a process's peak memory every 10 ms: what wait4 gives would also hold the memory of this script before exec."""

    def __init__(self, pid):
        self.pid, self.peak, self.over = pid, None, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.01):
            self.peak = peak_mb(self.pid) or self.peak

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.peak


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_cpu_seconds():
    """What all processes together have computed since the machine started."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(field) for n, field in enumerate(fields[:8]) if n not in (3, 4)) / TICK  # neither idle nor waiting for a disk


def share(cpu, wall):
    return max(0, cpu / wall / os.cpu_count())


def peak_mb(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+)", status)  # absent in a zombie
    return int(found[1]) / 1024 if found else 0


@contextlib.contextmanager
def scripted(text):
    """A script in a file of its own, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "script.sql"
        path.write_text(text)
        yield str(path)


def script_for(name, rows, chosen):
    """A script with its places filled in, after making the files it reads."""
    folder = inputs.make(flink.CACHE / "benchmarks" / str(rows), rows, SCRIPTS.get(name, (["csv"],))[0])
    text = (SQL / f"{name}.sql").read_text()
    return text.replace("${DATA}", str(folder)).replace("${ROWS}", str(rows)).replace("${KAFKA}", chosen.kafka or "")


def rounds_of(name, engines, chosen):
    """Every engine's measures, a round after the other, the engines in turns; one more round before, which does not count."""
    rows = {"Flink": chosen.rows, "Riverrun": chosen.riverrun_rows or chosen.rows}
    scripts = {engine.name: script_for(name, rows[engine.name], chosen) for engine in engines}
    taken = {engine.name: [] for engine in engines}
    for turn in range(chosen.rounds + 1):
        for engine in engines:
            if name == "first_row":
                seconds = engine.first_row(scripts[engine.name])
                measure = Measure(1, seconds, seconds, 0, 0, 0)
            else:
                measure = engine.run(scripts[engine.name], rows[engine.name])
            print(f"{name} round {turn} {engine.name}: {measure.wall:.2f} s", file=sys.stderr)
            if turn:
                taken[engine.name].append(measure)
    return taken


def report(name, taken):
    """Prints a script's table."""
    print(f"\n### {name}\n")
    engines = list(taken)
    if name == "first_row":
        print("| | " + " | ".join(f"{engine}, ms" for engine in engines) + " |\n|---|" + "---|" * len(engines))
        for turn, pair in enumerate(zip(*taken.values(), strict=True), 1):
            print(f"| {turn} | " + " | ".join(f"{measure.seconds * 1000:.0f}" for measure in pair) + " |")
        print("| median | " + " | ".join(f"{median(taken[engine], 'seconds') * 1000:.0f}" for engine in engines) + " |")
        return
    heads = [f"{engine} {figure}" for engine in engines for figure in ("k rows/s", "s", "CPU s", "peak MB")]
    both = len(engines) == 2
    print("| | " + " | ".join(heads) + (" | throughput | memory |" if both else " |"))
    print("|---|" + "---|" * (len(heads) + 2 * both))
    for turn, pair in enumerate(zip(*taken.values(), strict=True), 1):
        print(line(turn, pair))
    print(line("median", [Median(taken[engine]) for engine in engines]))
    shares = " and ".join(f"{median(taken[engine], 'others'):.0%} in {engine}'s rounds" for engine in engines)
    print(f"\nOther processes took {shares} of the machine's CPU (median).")
    goal = SCRIPTS[name][1]
    if goal:
        print(f"Aimed at: {goal}x the throughput, 1/20 of the memory.")


def line(label, pair):
    cells = [f"{m.rate / 1000:.0f} | {m.seconds:.2f} | {m.cpu:.1f} | {m.peak:.0f}" for m in pair]
    if len(pair) == 2:
        cells.append(f"{pair[1].rate / pair[0].rate:.1f}x | 1/{pair[0].peak / pair[1].peak:.0f}")
    return f"| {label} | " + " | ".join(cells) + " |"


class Median:
    """The median of each figure by itself."""

    def __init__(self, measures):
        for figure in ("rate", "seconds", "cpu", "peak"):
            setattr(self, figure, median(measures, figure))


def median(measures, figure):
    return statistics.median(getattr(measure, figure) for measure in measures)


def machine():
    """What the figures were taken on."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    lines = [
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}",
        f"Flink {flink.VERSION}, {java[0] if java else 'no Java'}",
        f"load before: {os.getloadavg()[0]:.1f}",
        "command: " + " ".join(["benchmarks/run.py", *sys.argv[1:]]),
    ]
    return "\n".join(f"- {text}" for text in lines)


def fill(cluster, chosen):
    """Fills the topic for each number of rows that is read. Again means twice the rows: use a fresh broker."""
    for rows in {chosen.rows, chosen.riverrun_rows or chosen.rows}:
        cluster.submit(script_for("kafka_fill", rows, chosen))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of scripts, separated by commas")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--riverrun-rows", type=int, help="another number of rows for Riverrun, where it is done too soon to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="flink,riverrun")
    parser.add_argument("--riverrun", default="riverrun", help="the binary")
    parser.add_argument("--heap", default="1024m", help="heap of Flink's TaskManager for tasks")
    parser.add_argument("--kafka", help="host:port of a broker")
    parser.add_argument("--fill", action="store_true", help="fill the Kafka topic first")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [name for name in SCRIPTS if name != "kafka_scan" or chosen.kafka]
    if unknown := set(names) - set(SCRIPTS):
        sys.exit(f"no such script: {', '.join(sorted(unknown))}; there are {', '.join(SCRIPTS)}")
    if "kafka_scan" in names and not chosen.kafka:
        sys.exit("kafka_scan needs --kafka HOST:PORT")
    if chosen.fill and "flink" not in chosen.engines:
        sys.exit("--fill needs Flink among the engines, which writes the rows")
    kinds = {"flink": Flink, "riverrun": Riverrun}
    engines = [kinds[engine](chosen) for engine in chosen.engines.split(",")]
    if "riverrun" in chosen.engines and not shutil.which(chosen.riverrun):
        sys.exit(f"no binary {chosen.riverrun}; build it with cargo build --release, and name it with --riverrun")
    print(machine(), flush=True)
    for name in names:
        with contextlib.ExitStack() as running:
            started = [running.enter_context(engine) for engine in engines]
            if name == "kafka_scan" and chosen.fill:
                fill(next(engine for engine in started if engine.name == "Flink"), chosen)
            report(name, rounds_of(name, started, chosen))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
