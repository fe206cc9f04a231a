#!/usr/bin/env python3
"""Apache Flink 2.3 on this machine: one JobManager, one TaskManager, one SQL gateway, on free ports of 127.0.0.1.

  flink.py install            from PyPI and Maven Central into the cache folder, once
  flink.py start [--heap 512m] [--slots 2]   starts what is missing; prints the addresses of the REST and of the gateway
  flink.py stop               ends the three processes
  flink.py sql FILE           runs a script through the gateway, prints its answers

Needs Java 17, Maven and Python 3 with pip. The cache folder is $RIVERRUN_CACHE, else ~/.cache/riverrun; nothing is written elsewhere.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

sys.dont_write_bytecode = True  # before the module beside this one

import gateway

VERSION = "2.3.0"
HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("RIVERRUN_CACHE") or pathlib.Path.home() / ".cache" / "riverrun")
FLINK = CACHE / "flink"
HOME = FLINK / VERSION / "pyflink"
RUN = FLINK / "run"
HOST = "127.0.0.1"
MAIN = {
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    "gateway": "org.apache.flink.table.gateway.SqlGateway",
}


def install():
    """Downloads Flink unless a complete copy is there."""
    done = FLINK / VERSION / "installed"
    FLINK.mkdir(parents=True, exist_ok=True)
    with locked(FLINK / "install.lock"):
        if done.exists():
            return
        for tool in ("java", "mvn"):
            if not shutil.which(tool):
                sys.exit(f"{tool} is missing; on Debian: apt-get install openjdk-17-jdk-headless maven")
        print(f"installing Flink {VERSION} into {FLINK}", file=sys.stderr)
        shutil.rmtree(done.parent, ignore_errors=True)
        wheels = done.parent / "wheels"
        wheels.mkdir(parents=True)
        # The scripts and the configuration lie in the wheel of the Python package, the jars in that of its libraries.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
        any_python = ["--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        platforms = ["--platform", "manylinux2014_x86_64", "--platform", "manylinux1_x86_64"]
        subprocess.run([*pip, *any_python, *platforms, f"apache-flink=={VERSION}"], check=True)
        subprocess.run([*pip, f"apache-flink-libraries=={VERSION}"], check=True)
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(done.parent)
        for script in (HOME / "bin").iterdir():
            script.chmod(0o755)
        shutil.rmtree(wheels)
        maven = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies", f"-Dflink={VERSION}"]
        subprocess.run([*maven, f"-DoutputDirectory={HOME / 'lib'}"], check=True)
        for jar in (HOME / "lib").glob("flink-sql-gateway-[0-9]*.jar"):
            jar.rename(HOME / "opt" / jar.name)
        done.touch()


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(heap="512m", slots=2, extra=()):
    """Starts the cluster where it does not run yet; returns {"rest", "gateway", "pids"}. `extra` are lines of config.yaml."""
    install()
    RUN.mkdir(parents=True, exist_ok=True)
    cluster = running()
    if cluster:
        return cluster
    shutil.rmtree(RUN)
    (RUN / "tmp").mkdir(parents=True)
    ports = free_ports(9)
    write_config(ports, heap, slots, extra)
    flags = {
        "jobmanager": ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        # The TaskManager is what is measured: Flink's own collector, both compilers.
        "taskmanager": [f"-Xmx{megabytes(heap) + 128}m", "-XX:+UseG1GC", "-XX:MaxDirectMemorySize=256m"],
        "gateway": ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
    }
    cluster = {"rest": f"http://{HOST}:{ports[0]}", "gateway": f"http://{HOST}:{ports[1]}", "pids": {}, "flags": flags}
    try:
        for part in MAIN:
            cluster["pids"][part] = launch(part, flags[part])
        (RUN / "cluster.json").write_text(json.dumps(cluster))
        wait_until(cluster, "jobmanager", lambda: fetch(cluster["rest"] + "/overview"))
        wait_until(cluster, "gateway", lambda: fetch(cluster["gateway"] + "/v1/info"))
        wait_until(cluster, "taskmanager", lambda: fetch(cluster["rest"] + "/overview")["taskmanagers"] == 1)
    except BaseException:
        end(cluster)
        raise
    return cluster


def running():
    """The cluster that `start` left running, or None."""
    try:
        cluster = json.loads((RUN / "cluster.json").read_text())
    except (OSError, ValueError):
        return None
    if all(alive(part, pid) for part, pid in cluster["pids"].items()):
        return cluster
    end(cluster)
    return None


def stop():
    try:
        end(json.loads((RUN / "cluster.json").read_text()))
    except OSError:
        pass


def end(cluster):
    """TERM to each process, KILL after ten seconds."""
    ours = {part: pid for part, pid in cluster["pids"].items() if alive(part, pid)}
    for name, bound in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        for part, pid in ours.items():
            if alive(part, pid):
                os.kill(pid, name)
        until = time.monotonic() + bound
        while any(alive(part, pid) for part, pid in ours.items()) and time.monotonic() < until:
            time.sleep(0.05)
    (RUN / "cluster.json").unlink(missing_ok=True)


def alive(part, pid):
    """Whether `pid` still is that process of ours; a zombie has no command line."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return MAIN[part].encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def launch(part, flags):
    home = RUN / part
    home.mkdir()
    opens = next(line.split(":", 1)[1].split() for line in (HOME / "conf" / "config.yaml").read_text().splitlines() if line.strip().startswith("all: --add"))
    path = f"{HOME}/lib/*" + (f":{HOME}/opt/*" if part == "gateway" else "")
    command = ["java", *flags, "-XX:MaxMetaspaceSize=512m", *opens, f"-Djava.io.tmpdir={RUN / 'tmp'}", f"-Dlog.file={home / 'flink.log'}"]
    command += [f"-Dlog4j.configurationFile={RUN / 'conf' / 'log4j.properties'}", "-cp", path, MAIN[part]]
    if part != "gateway":  # the gateway reads FLINK_CONF_DIR
        command += ["--configDir", str(RUN / "conf")]
    folders = {"FLINK_HOME": HOME, "FLINK_CONF_DIR": RUN / "conf", "FLINK_LIB_DIR": HOME / "lib"}
    folders |= {"FLINK_OPT_DIR": HOME / "opt", "FLINK_PLUGINS_DIR": HOME / "plugins"}
    environment = os.environ | {name: str(folder) for name, folder in folders.items()}
    with open(home / "out.log", "wb") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True)
    return child.pid


def write_config(ports, heap, slots, extra):
    conf = RUN / "conf"
    shutil.copytree(HOME / "conf", conf)
    lines = {
        "jobmanager.rpc.address": HOST,
        "jobmanager.bind-host": HOST,
        "jobmanager.rpc.port": ports[2],
        "blob.server.port": ports[3],
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.rpc.port": ports[4],
        "taskmanager.data.port": ports[5],
        "metrics.internal.query-service.port": ",".join(map(str, ports[6:])),
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": ports[0],
        "sql-gateway.endpoint.rest.address": HOST,
        "sql-gateway.endpoint.rest.bind-address": HOST,
        "sql-gateway.endpoint.rest.port": ports[1],
        "sql-gateway.endpoint.rest.bind-port": ports[1],
        "parallelism.default": 1,
        "taskmanager.numberOfTaskSlots": slots,
        # What the start scripts would work out for a TaskManager.
        "taskmanager.cpu.cores": os.cpu_count(),
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.task.heap.size": heap,
        "taskmanager.memory.managed.size": "128m",
        "taskmanager.memory.framework.off-heap.size": "128m",
        "taskmanager.memory.task.off-heap.size": 0,
        "taskmanager.memory.network.min": "128m",
        "taskmanager.memory.network.max": "128m",
        "taskmanager.memory.jvm-metaspace.size": "512m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        "io.tmp.dirs": RUN / "tmp",
    }
    text = "".join(f"{key}: {value}\n" for key, value in lines.items()) + "".join(f"{line}\n" for line in extra)
    (conf / "config.yaml").write_text(text)


def megabytes(size):
    number, unit = int(size[:-1]), size[-1].lower()
    return number * {"m": 1, "g": 1024}[unit]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def wait_until(cluster, part, ready, bound=120):
    until = time.monotonic() + bound
    while True:
        with contextlib.suppress(OSError, ValueError):
            if ready():
                return
        dead = not alive(part, cluster["pids"][part])
        if time.monotonic() > until:
            raise RuntimeError(f"the {part} was not ready within {bound} s, see {RUN / part}")
        time.sleep(0.1)
        # Java's launcher may start itself once more; between the two the process has no command line.
        if dead and not alive(part, cluster["pids"][part]):
            raise RuntimeError(f"the {part} died while starting, see {RUN / part}")


def run_script(path):
    cluster = running() or sys.exit("no cluster runs; start it with: flink.py start")
    with gateway.Session(cluster["gateway"]) as session:
        for statement in gateway.statements(pathlib.Path(path).read_text()):
            try:
                answer = session.run(statement, seconds=3600)
            except gateway.StatementError as error:
                causes = [line for line in error.trace.splitlines() if line.startswith("Caused by")]
                sys.exit(causes[-1] if causes else error.trace)
            for kind, fields in answer.rows:
                cells = ([kind] if answer.is_query else []) + ["NULL" if field is None else str(field) for field in fields]
                print("\t".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    starting = commands.add_parser("start")
    starting.add_argument("--heap", default="512m", help="the TaskManager's heap for tasks")
    starting.add_argument("--slots", type=int, default=2)
    commands.add_parser("stop")
    commands.add_parser("sql").add_argument("file")
    chosen = parser.parse_args()
    if chosen.command == "install":
        install()
    elif chosen.command == "start":
        cluster = start(chosen.heap, chosen.slots)
        print(f"rest {cluster['rest']}\ngateway {cluster['gateway']}")
    elif chosen.command == "stop":
        stop()
    else:
        run_script(chosen.file)


if __name__ == "__main__":
    main()
