"""Preparing and tokenising a corpus: functions a second and core, and peak memory, at two sizes side by side.

    PYTHONPATH=scripts python tests/bench/bench_corpus.py --megabytes 30 300 --workers 2

The corpus is the standard library's functions over and over, each time under another name, as `download.py corpus`
writes them. Memory is that of all processes of a program together: each page counted once (PSS), sampled ten times a
second; pages of mapped files, which the system may take back, are left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from codestill.data.sources import load
from codestill.kit.files import read_json, write_jsonl
from codestill.models.tokenizers import train_tokenizer
from codestill.study.sections.corpus import Source

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SPLITS = ("train", "validation", "test")


def copies(rows, size):
    """Records of `size` bytes as JSON lines: `rows` over and over, each time under another name."""
    written = number = 0
    while written < size:
        for row in rows:
            code = row["code"].replace(f"def {row['func_name'].split('.')[-1]}(", f"def f{number}(", 1)
            made = {**row, "code": code, "source": "stdlib"}
            written, number = written + len(json.dumps(made)), number + 1
            yield made


def memory(processes):
    """Bytes of processes that no file backs, each page once."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(("Pss_Anon", "Pss_Shmem")))
    return 1024 * total


def run(script, *words):
    """(seconds of CPU of a program and its processes, their largest memory together)."""
    before, peak = psutil.Process().cpu_times(), 0
    command = [sys.executable, SCRIPTS / f"{script}.py", *words]
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    while child.poll() is None:
        try:
            family = psutil.Process(child.pid)
            peak = max(peak, memory([family, *family.children(recursive=True)]))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.1)
    assert child.returncode == 0, script
    after = psutil.Process().cpu_times()
    return after.children_user + after.children_system - before.children_user - before.children_system, peak


def measure(folder, rows, megabytes, workers):
    """One line of figures for a corpus of so many megabytes."""
    source, splits = folder / "source.jsonl.gz", {split: folder / f"{split}.jsonl" for split in SPLITS}
    count = write_jsonl(source, copies(rows, megabytes * 1e6))
    common = ("--accounting", folder / "accounting.json", "--workers", workers)
    named = [word for split, path in splits.items() for word in (f"--{split}", path)]
    prepared = run("prepare_corpus", "--sources", source, *named, *common)
    outputs = [folder / split for split in SPLITS]
    written = ("--inputs", *splits.values(), "--outputs", *outputs)
    tokenised = run("tokenize_corpus", "--tokenizer", folder.parent / "tokenizer", *written, *common)
    tokens = sum(split["tokens"] for split in read_json(folder / "accounting.json")["splits"].values())
    told = [f"{megabytes:,} MB, {count:,} functions, {tokens:,} tokens"]
    for name, (seconds, peak) in (("prepared", prepared), ("tokenised", tokenised)):
        told.append(f"{name} {count / seconds:,.0f} functions a second and core, {peak / 2**20:,.0f} MiB")
    print("; ".join(told), flush=True)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--megabytes", type=int, nargs="+", default=[10, 40])
    flags.add_argument("--workers", type=int, default=2)
    args = flags.parse_args()
    rows = list(load(Source(kind="stdlib"), {}))
    with tempfile.TemporaryDirectory() as name:
        train_tokenizer([row["code"] for row in rows[:1500]], 4000).save_pretrained(Path(name) / "tokenizer")
        for megabytes in args.megabytes:
            with tempfile.TemporaryDirectory(dir=name) as folder:
                measure(Path(folder), rows, megabytes, args.workers)


if __name__ == "__main__":
    main()
