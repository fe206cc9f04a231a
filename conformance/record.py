#!/usr/bin/env python3
"""Records the answers of Apache Flink in the case files, in place. README.md tells the form of a case.

  record.py                     every file of cases/, on the cluster that benchmarks/flink.py started
  record.py --gateway URL cases/casts.test --only decimal     one file, the cases whose name contains "decimal"
  record.py --check             writes nothing, shows what would change, and exits with 1 where anything would
"""
import argparse
import difflib
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "data"
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "benchmarks"))

import flink
import gateway

# What every case starts from; its own SET statements come after.
SETTINGS = {
    "execution.runtime-mode": "streaming",
    "parallelism.default": "1",
    "table.local-time-zone": "UTC",
    "restart-strategy.type": "none",
}


class Case:
    """A case of a file: `text` is what stands before its answer, to the line ---- and with it; `answer` what was recorded."""

    def __init__(self, name, unordered):
        self.name, self.unordered = name, unordered
        self.text, self.sql, self.answer = [], [], []


def read(path):
    """The setup statements of a file, its cases, and the lines before the first case."""
    head, setup, cases, between, state = [], [], [], [], "head"
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"case (\w+)( unordered)?", line) if state in ("head", "between") else None:
            cases.append(Case(match[1], bool(match[2])))
            cases[-1].text = [*between, line]
            between, state = [], "sql"
        elif state == "head":
            head.append(line)
            if line == "setup":
                state = "setup"
        elif state == "setup":
            head.append(line)
            if line == "----":
                state = "head"
            else:
                setup.append(line)
        elif state == "sql":
            cases[-1].text.append(line)
            if line == "----":
                state = "answer"
            else:
                cases[-1].sql.append(line)
        elif state == "answer":
            if line:
                cases[-1].answer.append(line)
            else:
                between, state = [], "between"
        elif line and not line.startswith("#"):
            sys.exit(f"{path}: neither a case nor a comment: {line}")
        else:
            between.append(line)
    if state == "sql":
        sys.exit(f"{path}: the case {cases[-1].name} has no line ----")
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        sys.exit(f"{path}: a name occurs twice: {sorted({name for name in names if names.count(name) > 1})}")
    return setup, cases, head


def write(path, head, cases):
    lines = list(head)
    for case in cases:
        lines += [*case.text, *case.answer, ""]
    path.write_text("\n".join(lines).rstrip("\n") + "\n")


def record(base, setup, case):
    """The answer of Flink to a case, as lines."""
    with tempfile.TemporaryDirectory() as out:
        return [line.replace(str(DATA), "${DATA}").replace(out, "${OUT}") for line in answer_of(base, setup, case, out)]


def answer_of(base, setup, case, out):
    script = "\n".join(setup + case.sql).replace("${DATA}", str(DATA)).replace("${OUT}", out)
    with gateway.Session(base, SETTINGS) as session:
        try:
            for statement in gateway.statements(script):
                answer = session.run(statement)
        except gateway.StatementError as error:
            if "NoResourceAvailableException" in error.trace:
                sys.exit("no TaskManager has a free slot; start the cluster again: benchmarks/flink.py stop, start")
            return [f"error: {describe(error)}"]
    lines = ["schema: " + ", ".join(f"{column['name']} {type_name(column['logicalType'])}" for column in answer.columns)]
    if not answer.is_query and len(answer.rows) == 1 and len(answer.columns) == 1 and "\n" in answer.rows[0][1][0]:
        lines += [("| " + line).rstrip() for line in answer.rows[0][1][0].strip("\n").splitlines()]
    else:
        rows = [f"{kind}[{', '.join(cell(field) for field in fields)}]" for kind, fields in answer.rows]
        lines += sorted(rows) if case.unordered else rows
    return lines


def cell(field):
    if field is None:
        return "NULL"
    text = str(field).replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text)


# Causes that only a submitted job has.
RUNNING = {"JobException", "JobExecutionException", "JobInitializationException", "ProgramInvocationException"}


def describe(error):
    """The class of an error and what its innermost cause says; of a validation error, the cause with the place in the text."""
    causes = []
    for line in error.trace.splitlines():
        if match := re.match(r"Caused by: (?:[\w$]+\.)*([\w$]+)(?:: ?(.*))?$", line):
            causes.append((match[1], [match[2] or match[1]]))
        elif causes and line and not line.startswith("\t") and not line.startswith("End of exception"):
            causes[-1][1].append(line)
    names = [name for name, _ in causes]
    if error.job or RUNNING & set(names):
        kind = "runtime"
    elif "SqlParserException" in names or "SqlParserEOFException" in names:
        kind = "parse"
    elif "ValidationException" in names:
        kind = "validation"
    else:
        kind = "plan"
    placed = [text for _, text in causes if re.match(r"SQL validation failed. (From|At) line", text[0])]
    text = placed[0] if placed else causes[-1][1]
    message = text[0].removeprefix("SQL validation failed. ")
    if len(text) > 1 and (message.endswith(":") or text[1].startswith("Cause: ")):
        message += " " + text[1]
    return f"{kind}  " + re.sub(r"\b[0-9a-f]{32}\b", "ID", message.rstrip())


PLAIN = {
    "INTEGER": "INT",
    "TIMESTAMP_WITHOUT_TIME_ZONE": "TIMESTAMP({precision})",
    "TIMESTAMP_WITH_LOCAL_TIME_ZONE": "TIMESTAMP_LTZ({precision})",
    "TIME_WITHOUT_TIME_ZONE": "TIME({precision})",
    "DECIMAL": "DECIMAL({precision}, {scale})",
    "CHAR": "CHAR({length})",
    "VARCHAR": "VARCHAR({length})",
    "BINARY": "BINARY({length})",
    "VARBINARY": "VARBINARY({length})",
    "INTERVAL_YEAR_MONTH": "INTERVAL {resolution}",
    "INTERVAL_DAY_TIME": "INTERVAL {resolution}",
}


def type_name(kind):
    """A type in Flink's SQL from the gateway's description of it."""
    name = kind["type"]
    if name in ("ARRAY", "MULTISET"):
        text = f"{name}<{type_name(kind['elementType'])}>"
    elif name == "MAP":
        text = f"MAP<{type_name(kind['keyType'])}, {type_name(kind['valueType'])}>"
    elif name == "ROW":
        text = "ROW<" + ", ".join(f"`{field['name']}` {type_name(field['fieldType'])}" for field in kind["fields"]) + ">"
    elif name in ("VARCHAR", "VARBINARY") and kind["length"] == 2147483647:
        text = {"VARCHAR": "STRING", "VARBINARY": "BYTES"}[name]
    else:
        text = PLAIN.get(name, name).format(**kind)
    return text if kind["nullable"] else text + " NOT NULL"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--gateway", help="http://host:port of Flink's SQL gateway")
    parser.add_argument("--only", default="", help="record the cases whose name contains this")
    parser.add_argument("--new", action="store_true", help="record the cases that have no answer yet")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    base = chosen.gateway or (flink.running() or sys.exit("no cluster runs; start it with: benchmarks/flink.py start"))["gateway"]
    changed = count = 0
    for path in chosen.files or sorted((HERE / "cases").glob("*.test")):
        setup, cases, head = read(path)
        for case in cases:
            if chosen.only not in case.name or (chosen.new and case.answer):
                continue
            count += 1
            try:
                answer = record(base, setup, case)
            except TimeoutError as error:
                answer = [f"error: timeout  {error}"]
            if answer == case.answer:
                continue
            changed += 1
            if chosen.check:
                print(f"{path.name} {case.name}")
                print("\n".join(list(difflib.unified_diff(case.answer, answer, lineterm="", n=0))[2:]))
            case.answer = answer
            if not chosen.check:
                write(path, head, cases)
    print(f"{count} cases, {changed} {'differ' if chosen.check else 'written'}", file=sys.stderr)
    sys.exit(1 if chosen.check and changed else 0)


if __name__ == "__main__":
    main()
