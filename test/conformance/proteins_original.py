"""Writes and reads protein data bases and cluster tables as bionemo-esm2 does. One request, one answer."""

import json
import sqlite3
import sys

import pandas as pd

request = json.load(sys.stdin)
ours, theirs = request["ours"], request["theirs"]

connection = sqlite3.connect(theirs["database"])
connection.execute("CREATE TABLE protein (id TEXT PRIMARY KEY, sequence TEXT)")
connection.executemany("INSERT INTO protein VALUES (?, ?)", request["proteins"].items())
connection.commit()
connection.close()
clusters = request["clusters"]
pd.DataFrame({"ur50_id": [c[0] for c in clusters], "ur90_id": clusters}).to_parquet(theirs["train"], row_group_size=97)
pd.DataFrame({"ur50_id": [c[0] for c in clusters]}).to_parquet(theirs["validation"])

cursor = sqlite3.connect(ours["database"]).cursor()
assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)
assert cursor.execute("SELECT COUNT(*) FROM protein").fetchone() == (len(request["proteins"]),)
found = [[i, *cursor.execute("SELECT sequence FROM protein WHERE id = ?", (i,)).fetchone()] for i in request["proteins"]]
train = pd.read_parquet(ours["train"])["ur90_id"]
validation = pd.read_parquet(ours["validation"])["ur50_id"].apply(lambda x: [x])
json.dump({"proteins": found, "train": [list(c) for c in train], "validation": list(validation)}, sys.stdout)
