"""However large a corpus is: memory stays, tokens are counted past 2**31, and what a killed program did is kept."""

import signal
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pyarrow
import pytest
from datasets import Dataset, load_from_disk

from codestill.data import corpus, packing, token_sets
from codestill.data.batches import Examples
from codestill.data.intake import RECORD
from codestill.data.token_file import SCHEMA
from codestill.kit.files import read_json, read_jsonl, sha256, write_jsonl
from codestill.study.sections.corpus import Split, Tokens
from made_models import SCRIPTS, made_tokenizer, model_folder, record

WORDS = ["the", "sum", "of", "all", "items", "that", "a", "caller", "put", "into", "a", "list", "and", "no", "more"] * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"), made_tokenizer())


def long_functions(count):
    """Functions of some 6 KB, which are quick to parse: one statement under a long docstring."""
    for number in range(count):
        text = "\n    ".join(" ".join(WORDS[(number + line) % 20 :] + WORDS) for line in range(40))
        code = f'def f{number}(x):\n    """{text}"""\n    return [x + {number}, x * {number}]\n'
        yield {"code": code, "docstring": text, "repo": f"r{number % 7}"}


MEASURED = """
import atexit, resource, runpy, sys
def told():
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak", max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss), file=sys.stderr)
atexit.register(told)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def peak(script, *words):
    """The largest resident memory, in MiB, of a program or of any process that it forked."""
    command = [sys.executable, "-c", MEASURED, SCRIPTS / f"{script}.py", *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split("peak")[-1]) / 1024


def test_ten_times_the_corpus_takes_no_more_memory(model, tmp_path):
    found = {}
    for count in (400, 4000):
        source, splits = tmp_path / f"{count}.jsonl.gz", [tmp_path / f"{count}-{one}.jsonl" for one in corpus.SPLITS]
        write_jsonl(source, long_functions(count))
        named = [word for split, path in zip(corpus.SPLITS, splits, strict=True) for word in (f"--{split}", path)]
        limits = ("--accounting", tmp_path / f"{count}.json", "--workers", 2)
        prepared = peak("prepare_corpus", "--sources", source, *named, *limits)
        outputs = [tmp_path / f"{count}-{one}" for one in corpus.SPLITS]
        words = ("--tokenizer", model, "--inputs", *splits, "--outputs", *outputs, "--max_seq_length", 4096)
        found[count] = prepared, peak("tokenize_corpus", *words, *limits)
    assert splits[0].stat().st_size > 2e7
    for few, many in zip(*found.values(), strict=True):
        assert many < few + 25, found  # of 24 MB of text; held as tokens, it would be several times that


def test_the_plan_of_a_corpus_takes_a_few_numbers_a_record():
    records, draw = np.zeros(200_000, RECORD), np.random.default_rng(0)
    for name in ("exact", "normal", "near", "group"):
        records[name] = draw.integers(0, 2**64, len(records), dtype=np.uint64)
    tracemalloc.start()
    splits, _ = corpus.plan(records, ["one"], {}, Split(validation_fraction=0.1, test_fraction=0.1))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(map(len, splits.values())) == len(records)
    assert peak_bytes < 70 * len(records)  # 45 of each, and 3 MB whatever their number


def test_rows_behind_the_2_147_483_648th_token_are_read(tmp_path):
    """A sparse file stands in for the tokens: only the last row holds any."""
    count, last = 2**31 + 8, [7, 8, 9]
    values = np.memmap(tmp_path / "tokens", np.int32, "w+", shape=(count,))
    values[-3:] = last
    flat = pyarrow.Array.from_buffers(pyarrow.int32(), count, [None, pyarrow.py_buffer(values)])
    offsets = pyarrow.array([0, 2**31 + 5, count], pyarrow.int64())
    lists = pyarrow.LargeListArray.from_arrays(offsets, flat)
    assert all(SCHEMA.field(name).type == lists.type for name in ("input_ids", "position_ids", "labels"))
    with pytest.raises(pyarrow.ArrowInvalid):  # offsets of 32 bits cannot say it
        offsets.cast(pyarrow.int32())
    table = pyarrow.table(dict.fromkeys(("input_ids", "position_ids", "labels"), lists))
    row = Examples(Dataset(table, fingerprint="sparse"), max_seq_length=16)[1]
    assert row["input_ids"].tolist() == last == row["labels"].tolist()


def test_windows_hold_every_function_once(model, tmp_path, monkeypatch):
    """Packed among few, the same functions stand in other rows; unpacked in the same."""
    rows = [record(number) for number in range(2300)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    found = {}
    for window, layout in ((2**18, "packed"), (1000, "packed"), (1000, "padded"), (2**18, "padded")):
        monkeypatch.setattr(token_sets, "WINDOW", window)
        monkeypatch.setattr(packing, "BLOCK", 2000)
        output, settings = tmp_path / f"{layout}{window}" / "train", Tokens(max_seq_length=100, layout=layout)
        accounts = token_sets.tokenize_splits(
            model, [tmp_path / "train.jsonl"], [output], output.parent / "a.json", settings
        )
        assert accounts["splits"]["train"]["functions"] == 2300
        found[layout, window] = load_from_disk(str(output))
        assert found[layout, window].data.column("bytes").num_chunks > 10

    def functions(rows):
        cut = [np.flatnonzero(np.array(row["position_ids"]) == 0)[1:] for row in rows]
        return sorted(
            tuple(one)
            for row, places in zip(rows, cut, strict=True)
            for one in map(np.ndarray.tolist, np.split(np.array(row["input_ids"]), places))
        )

    assert found["padded", 1000][:] == found["padded", 2**18][:]
    assert functions(found["packed", 1000]) == functions(found["packed", 2**18]) == functions(found["padded", 1000])
    rows = found["packed", 2**18]
    whole, parts = Examples(rows), Examples(Dataset.from_list(rows.to_list(), features=rows.features))
    assert whole.identity() == parts.identity() != Examples(found["packed", 1000]).identity()
    assert whole.target_counts().tolist() == [whole.targets(row) for row in range(len(whole))]
    short = Examples(found["packed", 2**18], max_seq_length=30, limit=41)
    assert short.target_counts().tolist() == [short.targets(row) for row in range(41)]


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {scripts!r})
    import codestill.data.{module} as module
    {patch}
    calls, real = [], {where}
    def once_too_often(*words):
        real(*words)
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    {where} = once_too_often
    sys.argv[0] = {program!r}
    import runpy
    runpy.run_path({program!r}, run_name="__main__")
"""


def killed(script, module, patch, where, words):
    """Run a program that kills itself once it has kept its work for the second time."""
    names = {"module": module, "patch": patch, "where": where, "scripts": str(SCRIPTS)}
    program = textwrap.dedent(KILLED).format(program=str(SCRIPTS / f"{script}.py"), **names)
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def words_of(folder, source, model, name):
    outputs = [folder / name / one for one in corpus.SPLITS[:1]]
    words = ("--tokenizer", model, "--inputs", source, "--outputs", *outputs, "--accounting", folder / name / "a.json")
    return (*words, "--max_seq_length", 100, "--work_dir", folder / name / "work", "--workers", 2)


def test_a_killed_tokenising_goes_on_to_the_same_bytes(model, tmp_path, monkeypatch):
    source = tmp_path / "train.jsonl"
    write_jsonl(source, [record(number) for number in range(3500)])
    patch = "import codestill.data.token_sets; codestill.data.token_sets.WINDOW = 1000"
    words = words_of(tmp_path, source, model, "killed")
    killed("tokenize_corpus", "token_file", patch, "module.TokenFile.keep", words)
    assert read_json(tmp_path / "killed/work/train/progress.json")["state"]["read"] == 2000
    assert not list((tmp_path / "killed").glob("train/*.arrow"))
    monkeypatch.setattr(token_sets, "WINDOW", 1000)
    seen, whole = [], token_sets.TextEncoder.encode
    monkeypatch.setattr(token_sets.TextEncoder, "encode", lambda *one: seen.append(len(one[1])) or whole(*one))
    for name in ("killed", "whole"):
        settings = Tokens(max_seq_length=100)
        output, accounts = tmp_path / name / "train", tmp_path / name / "a.json"
        token_sets.tokenize_splits(model, [source], [output], accounts, settings, work_dir=tmp_path / name / "work")
        assert sum(seen) == {"killed": 1500, "whole": 3500}[name]
        assert not (tmp_path / name / "work").exists()
        seen.clear()
    for file in ("train/data-00000-of-00001.arrow", "train/state.json", "train/dataset_info.json", "a.json"):
        assert sha256(tmp_path / "killed" / file) == sha256(tmp_path / "whole" / file)


def test_a_killed_preparing_goes_on_to_the_same_bytes(tmp_path):
    rows = [{**record(number), "repo": f"r{number % 40}"} for number in range(2500)]
    write_jsonl(tmp_path / "a.jsonl.gz", rows)
    write_jsonl(tmp_path / "b.jsonl", [record(number, "Other things.") for number in range(1500)])
    found = {}
    for name in ("killed", "whole"):
        folder = tmp_path / name
        files = [word for split in corpus.SPLITS for word in (f"--{split}", folder / f"{split}.jsonl")]
        words = ("--sources", tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl", *files, "--workers", 2)
        words = (*words, "--accounting", folder / "a.json", "--work_dir", folder / "work")
        if name == "killed":
            killed("prepare_corpus", "intake", "module.KEEP_SECONDS = 0", "module.Intake._keep", words)
            assert read_json(folder / "work/progress.json")["done"] == [2000, 0]
            (folder / "work/lines.jsonl").open("ab").write(b"torn")
        done = subprocess.run([sys.executable, SCRIPTS / "prepare_corpus.py", *map(str, words)], check=False)
        assert done.returncode == 0 and not (folder / "work").exists()
        found[name] = {path.name: sha256(path) for path in folder.iterdir()}
    assert found["killed"] == found["whole"] and len(found["whole"]) == 4
    assert sum(len(list(read_jsonl(tmp_path / f"whole/{split}.jsonl"))) for split in corpus.SPLITS) > 2000
