"""A client of Flink's SQL gateway (its REST endpoint, version 2), in the standard library alone.

`Session` runs one statement at a time and hands back its columns and its changelog; `statements` cuts a script into statements.
"""
import json
import time
import urllib.error
import urllib.request

KINDS = {"INSERT": "+I", "UPDATE_BEFORE": "-U", "UPDATE_AFTER": "+U", "DELETE": "-D"}


class StatementError(Exception):
    """Flink refused or failed a statement. `trace` is the Java stack trace it answered, `job` tells whether a job was running."""

    def __init__(self, trace, job):
        super().__init__(trace)
        self.trace = trace
        self.job = job


class Answer:
    """What a statement answered: `columns` as the gateway describes them, `rows` as (row kind, fields), and the job's id."""

    def __init__(self):
        self.columns, self.rows, self.job = [], [], None
        self.is_query = False


def call(method, url, body=None, timeout=60):
    """One request; the answer's JSON. Raises urllib.error.HTTPError on a status above 299."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


class Session:
    """A session of the gateway: its tables, views and settings end with it. Use it in a `with`."""

    def __init__(self, base, properties=None):
        self.base = base.rstrip("/")
        self.handle = call("POST", self.base + "/v2/sessions", {"properties": properties or {}})["sessionHandle"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        call("DELETE", f"{self.base}/v2/sessions/{self.handle}")

    def run(self, statement, seconds=60):
        """Runs a statement to its end and returns its Answer. Raises StatementError, and TimeoutError after `seconds`."""
        answer, end = Answer(), time.monotonic() + seconds
        operation, wait = None, 0.005
        try:
            url = f"{self.base}/v2/sessions/{self.handle}/statements"
            operation = call("POST", url, {"statement": statement})["operationHandle"]
            url = f"/v2/sessions/{self.handle}/operations/{operation}/result/0?rowFormat=PLAIN_TEXT"
            while url:
                page = call("GET", self.base + url)
                answer.job = page.get("jobID") or answer.job
                answer.is_query = page.get("isQueryResult", answer.is_query)
                results = page.get("results", {})
                answer.columns = results.get("columns", answer.columns)
                rows = results.get("data", [])
                answer.rows += [(KINDS[row["kind"]], row["fields"]) for row in rows]
                url = page.get("nextResultUri")
                if time.monotonic() > end:
                    raise TimeoutError(f"no end of the answer within {seconds} s")
                if not rows and url:
                    time.sleep(wait)
                    wait = min(0.1, wait * 1.5)
        except urllib.error.HTTPError as error:
            raise StatementError(trace_of(error), answer.job is not None) from None
        finally:
            if operation:
                self.close(operation)
        return answer

    def close(self, operation):
        """Ends an operation, and with it the job of an unfinished query."""
        try:
            call("DELETE", f"{self.base}/v2/sessions/{self.handle}/operations/{operation}/close")
        except urllib.error.HTTPError:
            pass  # an operation that failed is gone already


def trace_of(error):
    text = error.read().decode()
    try:
        return max(json.loads(text)["errors"], key=len)
    except (ValueError, KeyError):
        return text


def statements(text):
    """The statements of a script: ended by a semicolon outside quotes and comments; a statement set is one statement."""
    part, quote, at = "", None, 0
    while at < len(text):
        char = text[at]
        if quote:
            part += char
            quote = None if char == quote else quote
        elif text.startswith("--", at):
            at = text.find("\n", at)
            if at < 0:
                break
            continue
        elif char in "'`\"":
            part += char
            quote = char
        elif char == ";" and not inside_set(part):
            yield part.strip()
            part = ""
        else:
            part += char
        at += 1
    if part.strip():
        yield part.strip()


def inside_set(part):
    words = part.upper().split()
    opened = " ".join(words[:6]).startswith(("EXECUTE STATEMENT SET BEGIN", "EXPLAIN STATEMENT SET BEGIN"))
    return opened and words[-1] != "END"
