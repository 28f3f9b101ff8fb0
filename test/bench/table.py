#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The statistics and tables of all benchmarks.

    table.py make NAME RESULTS ROWS FOLDER STEAL REPEATED
        RESULTS has lines "WHAT WHO VALUE", one for each round. ROWS has a line for each row of the table:
            WHAT | title | unit | who is ours | who is beside it, or nothing | goal, or nothing
        The goal is one of the ratio, or of ours when nothing is beside it: ">= 0.9", "<= 1.1". Prints the table
        and writes FOLDER/NAME.json. STEAL is the share of processor time that the machine's host took, in
        percent; REPEATED says how many rounds were made again because of it.

    table.py collect FOLDER
        Prints one table of all *.json in FOLDER, and writes it to FOLDER/table.md.

A file is {"name", "command", "machine", "rounds", "repeated", "steal_percent", "rows"}; a row is {"what", "title",
"unit", "goal", "reached", "ours", "beside", "ratio"}, and each of the last three null or {"who", "median", "min",
"max", "values"}. The ratio is that of each round, so its median need not be that of the medians.
"""
import glob
import json
import os
import platform
import statistics
import sys


def spread(who, values):
    return {"who": who, "median": statistics.median(values), "min": min(values), "max": max(values),
            "values": values}


def number(value):
    if value >= 1000:
        return "%.0f" % value
    return "%.3g" % value if value < 100 else "%.1f" % value


def cell(entry):
    if entry is None:
        return ""
    text = number(entry["median"])
    if entry["min"] != entry["max"]:
        text += " (%s … %s)" % (number(entry["min"]), number(entry["max"]))
    return text


def is_reached(goal, row):
    relation, limit = goal.split()
    value = (row["ratio"] or row["ours"])["median"]
    return value >= float(limit) if relation == ">=" else value <= float(limit)


def make_row(line, values):
    what, title, unit, ours, beside, goal = (part.strip() for part in line.split("|"))
    row = {"what": what, "title": title, "unit": unit, "goal": goal or None, "reached": None,
           "ours": spread(ours, values[what, ours]), "beside": None, "ratio": None}
    if beside:
        row["beside"] = spread(beside, values[what, beside])
        row["ratio"] = spread("%s / %s" % (ours, beside),
                              [a / b for a, b in zip(values[what, ours], values[what, beside])])
    if goal:
        row["reached"] = is_reached(goal, row)
    return row


HEAD = ("| | ours: median (range) | beside it | its median (range) | ratio: median of the rounds | goal |\n"
        "|---|---|---|---|---|---|")


def markdown(row):
    goal = "" if row["goal"] is None else "%s: %s" % (row["goal"], "yes" if row["reached"] else "**no**")
    beside = row["beside"]
    return "| %s, %s | %s: %s | %s | %s | %s | %s |" % (
        row["title"], row["unit"], row["ours"]["who"], cell(row["ours"]), beside["who"] if beside else "",
        cell(beside), cell(row["ratio"]), goal)


def machine():
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"processors": os.cpu_count(), "model": model[0] if model else platform.machine(),
            "system": "%s %s" % (platform.system(), platform.release())}


def foot(file):
    return "`%s`: %d rounds; the machine's host took %.1f %% of the time; %d rounds made again for that" % (
        file["command"], file["rounds"], file["steal_percent"], file["repeated"])


def make(name, results, rows, folder, steal, repeated):
    values = {}
    for line in open(results):
        what, who, value = line.split()
        values.setdefault((what, who), []).append(float(value))
    lines = [line for line in open(rows) if line.strip()]
    file = {"name": name, "command": "test/bench/%s.sh" % name, "machine": machine(),
            "rounds": max(len(v) for v in values.values()), "repeated": int(repeated),
            "steal_percent": float(steal), "rows": [make_row(line, values) for line in lines]}
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name + ".json"), "w") as out:
        json.dump(file, out, indent=1, ensure_ascii=False)
    print("\n%s\n%s\n\n%s" % (HEAD, "\n".join(map(markdown, file["rows"])), foot(file)))


def collect(folder):
    files = [json.load(open(path)) for path in sorted(glob.glob(os.path.join(folder, "*.json")))]
    if not files:
        sys.exit("no benchmark has left a file in " + folder)
    of = files[0]["machine"]
    text = "%d processors, %s, %s\n\n%s\n" % (of["processors"], of["model"], of["system"], HEAD)
    for file in files:
        text += "".join(markdown(row) + "\n" for row in file["rows"])
    text += "\n" + "".join("- %s\n" % foot(file) for file in files)
    with open(os.path.join(folder, "table.md"), "w") as out:
        out.write(text)
    print(text)


if __name__ == "__main__":
    if len(sys.argv) == 8 and sys.argv[1] == "make":
        make(*sys.argv[2:])
    elif len(sys.argv) == 3 and sys.argv[1] == "collect":
        collect(sys.argv[2])
    else:
        sys.exit(__doc__)
