"""What tests/it/spark.rs has Spark do, in the current directory: a job that is evaluated three
times, and jobs that are refused. Marks, files that are made, say how far it came."""

import json
import os
import pathlib
import sys

import pyspark
from pyspark.sql import SparkSession

binary, scripts = sys.argv[1], os.environ["RINGPULL_SCRIPTS"]
sys.path.insert(0, scripts)
import spark_pull  # noqa: E402

here = pathlib.Path.cwd()
os.environ.update(
    SPARK_HOME=os.path.dirname(pyspark.__file__), SPARK_LOCAL_IP="127.0.0.1",
    SPARK_WORKER_DIR=str(here / "work"), SPARK_LOCAL_DIRS=str(here / "local"),
    PYSPARK_PYTHON=sys.executable)
spark = (SparkSession.builder.master("local-cluster[2,1,1024]").appName("ringpull tests")
         .config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
         .config("spark.executor.memory", "512m").config("spark.driver.memory", "512m")
         .config("spark.speculation", "true").config("spark.speculation.minTaskRuntime", "1ms")
         .config("spark.speculation.quantile", "0.1").config("spark.speculation.multiplier", "1.1")
         .config("spark.files", binary).config("spark.task.maxFailures", "2")
         .config("spark.sql.warehouse.dir", str(here / "warehouse")).getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
df = spark.read.json("list.jsonl")
options = ["--shard-files", "2", "--read-timeout", "10m", "--speed-limit", "0"]
args = {"url_col": "url", "out": "set", "parts": 4, "output_format": "webdataset"}


def refused(frame, **other):
    try:
        spark_pull.pull(frame, **{**args, **other}).collect()
    except Exception as error:
        print(f"refused: {error}")


rows = spark_pull.pull(df, **args, options=options)
for mark in ("first", "second"):
    text = "".join(json.dumps(row.asDict()) + "\n" for row in rows.collect())
    pathlib.Path("draft").write_text(text)
    os.replace("draft", mark)
script = ["--input", "list.jsonl", "--input-format", "json", "--parts", "4"]
spark_pull.main([*script, "--output", "set", "--output-format", "webdataset", "--", *options])
refused(df, url_col="link")
refused(df, parts=5)
refused(df, options=["--fresh"])
try:
    spark_pull.main([*script, "--output", "other", "--binary", binary, "--", "--no-such-option"])
except SystemExit as end:
    print(f"refused: {end}")
refused(df.limit(1))
refused(df, out="another", binary="no-such-program")
spark.stop()
