#!/usr/bin/env python3
"""Pulls a DataFrame of URLs with ringpull, over all workers of a Spark cluster.

    spark-submit --files target/release/ringpull scripts/spark_pull.py \\
        --input urls.parquet --url-col url --output /shared/set --parts 64 \\
        --output-format webdataset -- --caption-col text -j 64

What stands behind `--` is for ringpull. As a module, where the binary's path is that on the driver:

    from spark_pull import pull
    rows = pull(df, url_col="url", out="/shared/set", parts=64, binary="target/release/ringpull")

Each host is in one part and each part is one task, so that a host is asked by one ringpull at a
time. OUT is a folder that the driver and all workers see, with locks that hold over machines
(NFSv4, Lustre, CephFS). It gets:

    data/              shards, pNNNNN-*.tar, or files in a folder for each part
    parts/pNNNNN/      of each part: list.jsonl, report.jsonl (its journal), stats.json, lock
    rows.parquet       the script only: all rows, with the number of the part beside `index`
    job.json           what must be the same when the job is run again

A task that is run again goes on by the report, so that nothing is pulled or stored twice: whether
Spark lost an executor, began a second copy of a slow task, or the whole job is submitted anew. The
DataFrame must have the same rows each time; their order does not matter. URLs that fail are rows,
and no failures of tasks.

One ringpull uses all CPUs of its machine: let one task run on each (spark.task.cpus as large as
spark.executor.cores). Needs PySpark 3.4 and Python 3.9 or later, and nothing else.
"""

from __future__ import annotations

import argparse
import array
import ctypes
import dataclasses
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pyspark import SparkFiles
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

# The report's columns (`ringpull help report`); what is not named below is text.
REPORT = (
    "url response_code index status error_code error_message exitcode filename size_download "
    "content_type content_encoding etag num_retries num_redirects url_effective remote_ip "
    "http_version num_connects tls_resumed time_queue time_namelookup time_connect "
    "time_appconnect time_starttransfer time_total attempted_at size_file digest size_resumed "
    "num_parts resume duplicate_of"
).split()
INTEGERS = {"response_code", "index", "exitcode", "duplicate_of"}
# What this job says itself to ringpull.
OURS = {"-i", "--input-file", "--input-format", "--url-col", "--keep-cols", "-d", "--dir", "-o",
        "--output-document", "--report", "--report-format", "--fresh", "--stats", "--shard",
        "--shard-name", "--output-format", "--dry-run", "--verify"}
FORMATS = ("files", "webdataset", "tar")
# Scheme and user name are passed over; what is no URL has the empty host.
HOST = r"^\s*(?:[A-Za-z]+://)?(?:[^/?#]*@)?(\[[^\]]*\]|[^/:?#\s]*)"
PR_SET_PDEATHSIG = 1


def pull(df: DataFrame, *, url_col: str, out: str, parts: int, keep: Sequence[str] | None = None,
         output_format: str = "files", options: Sequence[str] = (),
         binary: str = "ringpull") -> DataFrame:
    """Has the URLs of `df` pulled when the DataFrame of rows that it gives is evaluated.

    To evaluate it again reads what is there. `keep` names the columns that the rows have beside
    those of ringpull's report, all of them without it; `options` that name columns find no others.
    `binary` is a path on the driver, or the name of a file that was shipped, or of a program that
    all workers have.
    """
    keep = [name for name in df.columns if name != url_col] if keep is None else list(keep)
    _check(df, url_col, keep, parts, output_format, options)
    context = df.sparkSession.sparkContext
    if os.sep in binary:
        if not os.access(binary, os.X_OK):
            raise ValueError(f"{binary} is no program; build it: cargo build --release --locked")
        context.addFile(binary)
    if __name__ != "__main__":
        context.addPyFile(__file__)
    root = os.path.abspath(out)
    same = {"parts": parts, "url_col": url_col, "keep": keep, "output_format": output_format}
    job = Job(root=root, token=_begin(pathlib.Path(root), same), run=uuid.uuid4().hex,
              binary=os.path.basename(binary), url_col=url_col, keep=keep,
              output_format=output_format, options=list(options))
    rows = _lines(df, url_col, keep, parts).rdd.mapPartitions(job.pull)
    return df.sparkSession.createDataFrame(rows, _schema(keep), verifySchema=False)


def _check(df: DataFrame, url_col: str, keep: Sequence[str], parts: int, output_format: str,
           options: Sequence[str]) -> None:
    missing = [name for name in (url_col, *keep) if name not in df.columns]
    if missing:
        raise ValueError(f"no column {missing[0]!r}; there are: {', '.join(df.columns)}")
    odd = [name for name in keep if "," in name]
    if odd:
        raise ValueError(f"a column that is kept has a comma in its name: {odd[0]!r}; rename it")
    if parts < 1:
        raise ValueError(f"{parts} parts: at least one")
    if output_format not in FORMATS:
        raise ValueError(f"output format {output_format!r}: one of {', '.join(FORMATS)}")
    for option in options:
        name = option.split("=")[0] if option.startswith("--") else option[:2]
        if name in OURS:
            raise ValueError(f"{name} is set by the job itself")


def _begin(root: pathlib.Path, same: dict[str, Any]) -> str:
    """Makes OUT, or finds it begun with the same settings. Gives the token that tells it from other
    folders."""
    path = root / "job.json"
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=root, prefix=".job-") as draft:
        json.dump({**same, "token": uuid.uuid4().hex}, draft)
        draft.flush()
        try:
            os.link(draft.name, path)
            path.chmod(0o644)
        except FileExistsError:
            pass
    found = json.loads(path.read_text())
    token = str(found.pop("token"))
    other = [name for name in same if found.get(name) != same[name]]
    if other:
        raise ValueError(f"{root} was begun with {other[0]}={found.get(other[0])!r}, not "
                         f"{same[other[0]]!r}; take that, or another folder")
    return token


def _lines(df: DataFrame, url_col: str, keep: Sequence[str], parts: int) -> DataFrame:
    """The lists: `part` and `line`. A part is all of one partition or a share of it, in an order
    that depends on the lines alone and has the hosts mixed."""
    def text(name: str) -> Column:
        return df[f"`{name}`"].cast("string")

    members = [text(name).alias(name) for name in dict.fromkeys((url_col, *keep))]
    line = F.to_json(F.struct(*members), {"ignoreNullFields": "false"})
    host = F.lower(F.coalesce(F.regexp_extract(text(url_col), HOST, 1), F.lit("")))
    lines = df.select(line.alias("line"), host.alias("host")).repartition(parts, "host")
    # The hash by which repartition() has chosen.
    part = F.pmod(F.hash("host"), F.lit(parts)).alias("part")
    return lines.select(part, "line").sortWithinPartitions("part", F.xxhash64("line"), "line")


def _renamed(name: str, taken: Iterable[str]) -> str:
    return f"list_{name}" if name in taken else name


def _type(name: str) -> T.DataType:
    if name == "tls_resumed":
        return T.BooleanType()
    if name in INTEGERS or name.startswith(("size_", "num_")):
        return T.LongType()
    return T.DoubleType() if name.startswith("time_") else T.StringType()


def _schema(keep: Sequence[str]) -> T.StructType:
    kept = [_renamed(name, ["part", *REPORT]) for name in keep]
    fields = [T.StructField("part", T.IntegerType())]
    fields += [T.StructField(name, _type(name)) for name in REPORT]
    return T.StructType(fields + [T.StructField(name, T.StringType()) for name in kept])


@dataclasses.dataclass
class Job:
    """What a task needs to know. Everything below runs on the workers."""

    root: str
    token: str
    run: str
    binary: str
    url_col: str
    keep: list[str]
    output_format: str
    options: list[str]

    def pull(self, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
        for part, group in itertools.groupby(rows, key=lambda row: int(row.part)):
            yield from self.pull_part(part, (str(row.line) for row in group))

    def pull_part(self, part: int, lines: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Pulls one part, or what is left of it. Of several attempts at the same time one works,
        and the others wait until it ends or is killed, and then find what it did."""
        self._check_folder()
        folder = pathlib.Path(self.root, "parts", f"p{part:05d}")
        folder.mkdir(parents=True, exist_ok=True)
        report, done = folder / "report.jsonl", folder / "done"
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            count = _write_once(folder / "list.jsonl", lines)
            # By an earlier attempt, or when the DataFrame was evaluated before.
            is_done = done.exists() and done.read_text().strip() == self.run
            if not is_done:
                self._ringpull(part, folder, lock.fileno())
            last = _last_rows(report, count)
            if not is_done:
                _replace(done, [self.run])
        names = [_renamed(name, REPORT) for name in self.keep]
        with report.open("rb") as file:
            for offset in last:
                file.seek(offset)
                row = json.loads(file.readline())
                told = (row.get(name) for name in (*REPORT, *names))
                yield (part, *told)

    def _check_folder(self) -> None:
        path = pathlib.Path(self.root, "job.json")
        try:
            is_same = json.loads(path.read_text())["token"] == self.token
        except OSError:
            is_same = False
        if not is_same:
            raise RuntimeError(f"{self.root} on {socket.gethostname()} is not the driver's: the "
                               "output must be a folder that all workers see")

    def _ringpull(self, part: int, folder: pathlib.Path, lock: int) -> None:
        """Runs the program; what it could not pull is in its report, and no failure."""
        data = pathlib.Path(self.root, "data")
        stats = folder / "stats.json"
        stats.unlink(missing_ok=True)
        # What this job is told decides, not a config file of the worker.
        command = [_find(self.binary), "--no-config", "-q", "-i", str(folder / "list.jsonl"),
                   "--input-format", "jsonl", "--url-col", self.url_col,
                   "--report", str(folder / "report.jsonl"), "--stats", str(stats),
                   # Not the share that a Slurm array or an Indexed Job around Spark would give.
                   "--shard", "0/1"]
        if self.keep:
            command += ["--keep-cols", ",".join(self.keep)]
        if self.output_format == "files":
            command += ["-d", str(data / f"p{part:05d}")]
        else:
            command += ["-d", str(data), "--output-format", self.output_format,
                        "--shard-name", f"p{part:05d}-{{shard:05d}}.tar"]
        if self.output_format == "webdataset" and "--name-template" not in " ".join(self.options):
            # Keys that are no others' in the whole set.
            command += ["--name-template", f"p{part:05d}-{{seq:09}}"]
        # With the lock, so that it is held as long as either process lives.
        ended = subprocess.run([*command, *self.options], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               errors="replace", pass_fds=[lock], preexec_fn=_die_with_parent())
        # Statuses 2 to 8 are also those of single URLs; then the run came to its end.
        end = json.loads(stats.read_text())["end"] if stats.exists() else "not begun"
        if ended.returncode not in (0, *range(2, 9)) or end != "complete":
            raise RuntimeError(f"ringpull, part {part} on {socket.gethostname()}: status "
                               f"{ended.returncode}, {end}\n{ended.stderr.strip()}")


def _find(binary: str) -> str:
    shipped = SparkFiles.get(binary)
    found = shipped if os.access(shipped, os.X_OK) else shutil.which(binary)
    if found is None:
        raise RuntimeError(f"{socket.gethostname()} has no program {binary}: ship it, "
                           f"spark-submit --files PATH/{binary}")
    return found


def _die_with_parent() -> Callable[[], None]:
    """Has the kernel kill the child when this process dies. When an executor is killed, its Python
    workers die, and nobody would stop the children of those."""
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _replace(path: pathlib.Path, lines: Iterable[str]) -> int:
    """Writes a file as a whole or not at all; how many lines it has. The caller has the lock."""
    draft, count = path.with_suffix(".draft"), 0
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(f"{line}\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return count


def _write_once(path: pathlib.Path, lines: Iterable[str]) -> int:
    """Writes the list, or finds that it is the one that is there."""
    if not path.exists():
        return _replace(path, lines)
    count = 0
    with path.open(encoding="utf-8", newline="\n") as file:
        before = (line.removesuffix("\n") for line in file)
        for count, (old, new) in enumerate(itertools.zip_longest(before, lines), 1):
            if old != new:
                raise RuntimeError(
                    f"{path}, line {count}, is now {new or 'gone'}: the DataFrame is not the one "
                    "that this output was begun with; take another output. If it gives other rows "
                    "each time (a sample, a limit), write it to a file and pull that")
    return count


def _last_rows(report: pathlib.Path, count: int) -> array.array[int]:
    """Where the last row of each line begins in the report."""
    last = array.array("q", [-1]) * count
    offset = 0
    with report.open("rb") as file:
        for row in file:
            last[json.loads(row)["index"] - 1] = offset
            offset += len(row)
    if -1 in last:
        raise RuntimeError(f"{report}: no row of line {last.index(-1) + 1}")
    return last


def main(args: Sequence[str]) -> None:
    split = list(args).index("--") if "--" in args else len(args)
    parser = argparse.ArgumentParser(
        description="Pulls a DataFrame of URLs with ringpull over a Spark cluster.",
        epilog="What stands behind -- is for ringpull.")
    parser.add_argument("--input", required=True, help="the table: what spark.read.load() takes")
    parser.add_argument("--input-format", choices=("parquet", "csv", "json", "orc"),
                        help="without it, by the suffix of the input, else parquet")
    parser.add_argument("--url-col", default="url", help="column with the URL [url]")
    parser.add_argument("--keep-cols", help="columns to copy into the rows [all]")
    parser.add_argument("--output", required=True, help="folder that all workers see")
    parser.add_argument("--output-format", choices=FORMATS, default="files")
    parser.add_argument("--parts", type=int, default=64, help="tasks; a host is in one part [64]")
    parser.add_argument("--binary", default="ringpull",
                        help="path on this machine, or the name in spark-submit --files [ringpull]")
    parser.add_argument("--mode", choices=("overwrite", "errorifexists", "ignore"),
                        default="overwrite", help="about rows.parquet that is there [overwrite]")
    given = parser.parse_args(args[:split])
    spark = SparkSession.builder.appName("ringpull").getOrCreate()
    suffix = given.input.rstrip("/").rpartition(".")[2]
    kind = given.input_format or (suffix if suffix in ("csv", "json", "orc") else "parquet")
    reader = spark.read.format(kind)
    if kind == "csv":
        # Quotes in quotes are doubled, as RFC 4180 has it.
        reader = reader.options(header=True, escape='"')
    table = reader.load(given.input)
    path = f"file://{os.path.abspath(given.output)}/rows.parquet"
    try:
        rows = pull(table, url_col=given.url_col, out=given.output, parts=given.parts,
                    keep=given.keep_cols.split(",") if given.keep_cols else None,
                    output_format=given.output_format, options=args[split + 1:],
                    binary=given.binary)
        rows.write.mode(given.mode).parquet(path)
    except (ValueError, OSError) as error:
        sys.exit(f"spark_pull: {error}")
    except Exception as error:
        # What a task says, without what Spark has around it.
        told = re.search(r"RuntimeError: (.+?)\s*\n\tat ", str(error), re.DOTALL)
        if told is None:
            raise
        sys.exit(f"spark_pull: {told[1]}")
    for status, count in sorted(spark.read.parquet(path).groupBy("status").count().collect()):
        print(f"{status}: {count}")


if __name__ == "__main__":
    main(sys.argv[1:])
