"""python read_sqlite.py FOLDER row|name ROWS READS: as bionemo-esm2's ProteinSQLiteDataset reads."""

import json
import sqlite3
import sys
import time

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def name_of(row):
    number = (row * 40503001 + 7) % 36**7
    text = ""
    for _ in range(7):
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return "UniRef90_A0A" + text


folder, by, rows, reads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
wanted = [(i * 2654435761 + 12345) % rows for i in range(reads)]
keys = [row + 1 for row in wanted] if by == "row" else [name_of(row) for row in wanted]
query = f"SELECT sequence FROM protein WHERE {'rowid' if by == 'row' else 'id'} = ?"
connection = sqlite3.connect(f"file:{folder}/proteins.db?mode=ro", uri=True)
connection.execute("PRAGMA mmap_size = 2147418112")
cursor = connection.cursor()
seconds = []
for turn in range(4):
    begin = time.perf_counter()
    check = 0
    for key in keys:
        cursor.execute(query, (key,))
        check += len(cursor.fetchone()[0])
    if turn > 0:
        seconds.append(time.perf_counter() - begin)
print(json.dumps({"seconds": seconds, "check": check}))
