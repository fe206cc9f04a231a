#!/usr/bin/env python3
"""What checkpoints cost, and how soon a killed job goes on: prints Markdown tables.

  checkpoints.py --riverrun target/release/riverrun           all but Flink's, as RESULTS.md has them
  checkpoints.py --only delta --keys 1000000 --riverrun PATH
  checkpoints.py --only flink-restart --restarts 3

throughput  rows a second of an updating GROUP BY with all its keys in state, without checkpoints and with one every second, in turns
delta       bytes of the first checkpoint, which holds all state, and of those after it, between which one key in a hundred changes
restart     from SIGKILL to the first row that the next process prints, and to the first file that it commits
flink-restart  the same script on Flink: its TaskManager is killed, and another is started at once; its own settings
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # before the module beside this one

import flink
import gateway
import run

LONG = 600


class Job:
    """A process that runs a script; killed at the end of the `with`."""

    def __init__(self, binary, script, folder, *arguments, output=subprocess.DEVNULL):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        path = pathlib.Path(folder) / "script.sql"
        path.write_text(script)
        self.errors = open(pathlib.Path(folder) / "errors.txt", "ab+")
        command = [binary, "run", str(path), f"--rest=127.0.0.1:{self.port}", *arguments]
        self.process = subprocess.Popen(command, stdout=output, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.errors.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body))
            return connection.getresponse().read().decode()

    def rows(self):
        """How many rows the source has read."""
        found = re.search(r'numRecordsOut\{[^}]*operator_name="Source[^}]*\} (\d+)', self.ask("GET", "/metrics"))
        return int(found[1]) if found else 0

    def completed(self):
        """How many checkpoints are complete."""
        found = re.search(r"numberOfCompletedCheckpoints\{[^}]*\} (\d+)", self.ask("GET", "/metrics"))
        return int(found[1]) if found else 0

    def checkpoint(self):
        """Takes a checkpoint and waits for it."""
        job = json.loads(self.ask("GET", "/jobs"))["jobs"][0]["id"]
        trigger = json.loads(self.ask("POST", f"/jobs/{job}/checkpoints", {}))["request-id"]
        while (state := json.loads(self.ask("GET", f"/jobs/{job}/checkpoints/{trigger}")))["status"]["id"] != "COMPLETED":
            time.sleep(0.05)
        if "failure-cause" in state["operation"]:
            sys.exit(f"the checkpoint failed: {state}")

    def wait_until(self, holds):
        """Waits for a condition, and ends everything where the job ends before it."""
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.errors.seek(0)
                sys.exit(f"the job has ended:\n{self.errors.read().decode()}")
            with contextlib.suppress(ConnectionError):
                if holds():
                    return
            time.sleep(0.01)
        sys.exit(f"waited {LONG} s in vain")


def script(name, folder, chosen, interval=None):
    text = (run.SQL / f"{name}.sql").read_text()
    text = text.replace("${KEYS}", str(chosen.keys)).replace("${LAST_HOT}", str(chosen.keys // 100 - 1)).replace("${FOLDER}", folder)
    settings = {"execution.checkpointing.dir": f"file://{folder}/checkpoints"}
    if interval:
        settings["execution.checkpointing.interval"] = interval
    return "".join(f"SET '{key}' = '{value}';\n" for key, value in settings.items()) + text


def folder_for(chosen):
    return tempfile.TemporaryDirectory(prefix="riverrun-benchmark-", dir=chosen.folder)


class Turn:
    """What a job did while it was its turn: rows a second, CPU seconds a million rows, completed checkpoints, and what others took."""

    def __init__(self, job, seconds):
        job.process.send_signal(signal.SIGCONT)
        begin, rows, done = time.monotonic(), job.rows(), job.completed()
        cpu, busy = run.cpu_seconds(job.process.pid), run.machine_cpu_seconds()
        time.sleep(seconds)
        rows, done, wall = job.rows() - rows, job.completed() - done, time.monotonic() - begin
        cpu, busy = run.cpu_seconds(job.process.pid) - cpu, run.machine_cpu_seconds() - busy
        job.process.send_signal(signal.SIGSTOP)
        self.rate, self.cpu, self.checkpoints, self.others = rows / wall, cpu / rows * 1e6, done / wall, run.share(busy - cpu, wall)


def throughput(chosen):
    """Both jobs live, and one is stopped while the other runs, a few seconds each: so a disturbance of the machine meets both."""
    print(f"\n### Throughput, {chosen.keys:,} keys, one in a hundred of them changing\n")
    print("| | without, M rows/s | CPU s per M | every second, M rows/s | CPU s per M | checkpoints/s | throughput | CPU | of the CPU, others took |")
    print("|---|---|---|---|---|---|---|---|---|")
    with contextlib.ExitStack() as living:
        jobs = []
        for interval in (None, "1 s"):
            folder = living.enter_context(folder_for(chosen))
            job = living.enter_context(Job(chosen.riverrun, script("hot_keys", folder, chosen, interval), folder))
            job.wait_until(lambda: job.rows() > chosen.keys * 1.2 and (not interval or job.completed() >= 3))
            job.process.send_signal(signal.SIGSTOP)
            jobs.append(job)
        rounds = []
        for number in range(chosen.rounds + 1):
            # Who comes first changes.
            order = (0, 1) if number % 2 else (1, 0)
            turns = {which: Turn(jobs[which], chosen.seconds) for which in order}
            without, with_them = turns[0], turns[1]
            if number:
                rounds.append((without.rate / 1e6, without.cpu, with_them.rate / 1e6, with_them.cpu, with_them.checkpoints,
                               with_them.rate / without.rate, without.cpu / with_them.cpu, (without.others + with_them.others) / 2))
                print(throughput_line(number, rounds[-1]), flush=True)
    print(throughput_line("median", [statistics.median(column) for column in zip(*rounds)]))


def throughput_line(label, taken):
    rate, cpu, rate_with, cpu_with, done, ratio, cpu_ratio, others = taken
    return f"| {label} | {rate:.2f} | {cpu:.3f} | {rate_with:.2f} | {cpu_with:.3f} | {done:.1f} | {ratio:.0%} | {cpu_ratio:.0%} | {others:.0%} |"


def delta(chosen):
    print(f"\n### Bytes of checkpoints, {chosen.keys:,} keys, one in a hundred changing\n")
    print("| checkpoint | bytes | of the first |\n|---|---|---|")
    with folder_for(chosen) as folder, Job(chosen.riverrun, script("hot_keys", folder, chosen, "1 h"), folder) as job:
        job.wait_until(lambda: job.rows() > chosen.keys * 1.1)
        seen, base = set(), None
        for number in range(1, chosen.deltas + 2):
            job.checkpoint()
            files = {path: path.stat().st_size for path in pathlib.Path(folder).glob("checkpoints/*/shared/*") if path not in seen}
            seen |= set(files)
            size = sum(files.values())
            base = base or size
            print(f"| {number} | {size:,} | {size / base:.2%} |", flush=True)
            rows = job.rows()
            job.wait_until(lambda: job.rows() > rows + chosen.keys // 4)  # 25 rows for each key that changes


def restart(chosen):
    print("\n### From SIGKILL to the next row\n")
    print("| | first row printed, ms | first file committed, ms |\n|---|---|---|")
    taken = []
    with folder_for(chosen) as folder:
        text = script("resumed", folder, chosen)
        job = Job(chosen.riverrun, text, folder, "--resume")
        for number in range(chosen.restarts + 1):
            job.wait_until(lambda: job.completed() >= 5)
            killed = time.monotonic()
            job.kill()
            job.errors.close()
            before = visible(folder)
            job = Job(chosen.riverrun, text, folder, "--resume", output=subprocess.PIPE)
            printed, committed = [], None
            reader = threading.Thread(target=drain, args=(job.process.stdout, printed), daemon=True)
            reader.start()
            while not printed or committed is None:
                if job.process.poll() is not None or time.monotonic() > killed + LONG:
                    sys.exit("the job did not go on")
                if committed is None and visible(folder) - before:
                    committed = time.monotonic()
                time.sleep(0.001)
            if number:
                taken.append(((printed[0] - killed) * 1000, (committed - killed) * 1000))
                print(restart_line(number, taken[-1]), flush=True)
        job.kill()
        job.errors.close()
    print(restart_line("median", [statistics.median(column) for column in zip(*taken)]))
    print(restart_line("longest", [max(column) for column in zip(*taken)]))


def restart_line(label, taken):
    return f"| {label} | {taken[0]:.0f} | {taken[1]:.0f} |"


def visible(folder):
    """The part files that readers see."""
    rows = pathlib.Path(folder) / "rows"
    return {name for name in os.listdir(rows) if not name.startswith(".")} if rows.exists() else set()


def drain(output, printed):
    for line in output:
        if not printed and line.startswith((b"+", b"-")):
            printed.append(time.monotonic())


def flink_restart(chosen):
    """Each time with a new cluster, as a supervisor would have it: the TaskManager is killed, and the next one starts at once."""
    print("\n### From the TaskManager's SIGKILL to the next row, Flink\n")
    print("| | first row printed, s | first file committed, s |\n|---|---|---|")
    taken = []
    for number in range(1, chosen.restarts + 1):
        with folder_for(chosen) as folder:
            flink.stop()
            cluster = flink.start()
            try:
                taken.append(flink_killed(cluster, folder, chosen))
            finally:
                flink.stop()
            print(f"| {number} | {taken[-1][0]:.1f} | {taken[-1][1]:.1f} |", flush=True)
    first, committed = (statistics.median(column) for column in zip(*taken))
    print(f"| median | {first:.1f} | {committed:.1f} |")


def flink_killed(cluster, folder, chosen):
    with gateway.Session(cluster["gateway"]) as session:
        for statement in gateway.statements(script("resumed", folder, chosen)):
            job = session.run(statement).job or session_job(cluster)
        url = f"{cluster['rest']}/jobs/{job}/checkpoints"
        until = time.monotonic() + LONG
        while flink.fetch(url)["counts"]["completed"] < 5:
            if time.monotonic() > until:
                sys.exit("Flink takes no checkpoints")
            time.sleep(0.1)
        out = flink.RUN / "taskmanager" / "out.log"
        killed = time.monotonic()
        os.kill(cluster["pids"]["taskmanager"], signal.SIGKILL)
        os.waitpid(cluster["pids"]["taskmanager"], 0)
        before = visible(folder)
        shutil.rmtree(out.parent)
        cluster["pids"]["taskmanager"] = flink.launch("taskmanager", cluster["flags"]["taskmanager"])
        (flink.RUN / "cluster.json").write_text(json.dumps(cluster))
        printed = committed = None
        while printed is None or committed is None:
            now = time.monotonic()
            if printed is None and out.exists() and re.search(rb"^[+-][IUD]\[", out.read_bytes(), re.M):
                printed = now - killed
            if committed is None and visible(folder) - before:
                committed = now - killed
            if now - killed > LONG:
                sys.exit("Flink's job did not go on")
            time.sleep(0.01)
        return printed, committed


def session_job(cluster):
    jobs = flink.fetch(cluster["rest"] + "/jobs/overview")["jobs"]
    return jobs[0]["jid"] if jobs else None


PARTS = {"throughput": throughput, "delta": delta, "restart": restart, "flink-restart": flink_restart}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of parts, separated by commas")
    parser.add_argument("--riverrun", default="riverrun", help="the binary")
    parser.add_argument("--folder", help="where checkpoints go; the temporary folder without it")
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=4, help="how long a job runs at a time, of the throughput")
    parser.add_argument("--rounds", type=int, default=20, help="of the throughput; one more before them does not count")
    parser.add_argument("--deltas", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=9)
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [name for name in PARTS if name != "flink-restart"]
    if unknown := set(names) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if names != ["flink-restart"] and not shutil.which(chosen.riverrun):
        sys.exit(f"no binary {chosen.riverrun}; build it with cargo build --release, and name it with --riverrun")
    print(f"{os.cpu_count()} cores; load before: {os.getloadavg()[0]:.1f}", flush=True)
    for name in names:
        PARTS[name](chosen)


if __name__ == "__main__":
    main()
