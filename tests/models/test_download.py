"""download.py: every kind of source, a model's one layout, manifests, and one clear line for whatever goes wrong."""

import gzip
import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_hub import COMMIT, hub

import download
from codestill.data import benchmarks, sources
from codestill.kit.files import read_json, read_jsonl, write_jsonl
from codestill.kit.program import UserError
from codestill.study.entries import benchmark_kinds, source_kinds
from made_models import SHAPES, made_tokenizer, record

SCRIPT = Path(download.__file__)
MODEL_FILES = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def run(*words, **environment):
    """download.py in a process of its own, since the hub's client reads the environment once."""
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def corpus(monkeypatch, folder, *words):
    """download.py corpus in this process; returns (rows, manifest)."""
    command = ["download.py", "corpus", *words, "--output", folder / "mine.jsonl.gz", "--manifest", folder / "m.json"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in command])
    download.main()
    return list(read_jsonl(folder / "mine.jsonl.gz")), read_json(folder / "m.json")


def test_the_kinds_offered_are_the_kinds_there_are():
    for kinds, read in ((sources.KINDS, source_kinds()), (benchmarks.KINDS, benchmark_kinds())):
        for name, kind in kinds.items():
            assert (kind.takes, kind.needs) == (read[name].get("takes", ()), read[name].get("needs", ()))
        assert list(kinds) == list(read)
    assert benchmark_kinds()["humaneval"]["problems"] == benchmarks.KINDS["humaneval"].problems


# -- corpora -----------------------------------------------------------------------------------------------------


def test_python_source_gives_its_documented_functions(monkeypatch, tmp_path):
    root = tmp_path / "project"
    (root / "deep").mkdir(parents=True)
    (root / ".venv").mkdir()
    code = 'class A:\n    def f(self):\n        """Doc."""\n        return 1\n'
    for name in ("b.py", "a.py", "deep/c.py", ".venv/hidden.py", "deep/notes.txt"):
        (root / name).write_text(code)
    (root / "latin.py").write_bytes('# coding: latin-1\ndef g():\n    "é"\n    return 2\n'.encode("latin-1"))
    (root / "broken.py").write_bytes(b"\xff\xfe\x00 def")
    rows, manifest = corpus(monkeypatch, tmp_path, "--kind", "python", "--path", root)
    assert [(row["path"], row["func_name"]) for row in rows] == [
        ("a.py", "A.f"),
        ("b.py", "A.f"),
        ("latin.py", "g"),
        ("deep/c.py", "A.f"),
    ]
    assert rows[0] == {
        "code": 'def f(self):\n    """Doc."""\n    return 1',
        "docstring": "Doc.",
        "func_name": "A.f",
        "repo": "project",
        "path": "a.py",
        "url": "",
        "source": "mine",
    }
    assert rows[2]["docstring"] == "é"
    digest = hashlib.sha256((tmp_path / "mine.jsonl.gz").read_bytes()).hexdigest()
    assert manifest["files"] == {"mine.jsonl.gz": digest} and manifest["functions"] == 4
    one, _ = corpus(monkeypatch, tmp_path, "--kind", "python", "--path", root / "b.py")
    assert [row["path"] for row in one] == ["b.py"]


def test_an_installed_package_is_a_source_with_its_version_and_without_its_tests(monkeypatch, tmp_path):
    import networkx

    rows, manifest = corpus(monkeypatch, tmp_path, "--kind", "package", "--name", "networkx")
    assert len(rows) > 500 and manifest["revision"] == f"v{networkx.__version__}"
    assert {row["repo"] for row in rows} == {"networkx"} and not any("/tests/" in row["path"] for row in rows)
    paths = {row["func_name"]: row["path"] for row in rows}
    assert paths["dijkstra_path"] == "algorithms/shortest_paths/weighted.py"
    assert "BSD" in manifest["license"]  # 3.x names BSD-3-Clause, older ones the classifier
    with pytest.raises(UserError, match="--name absent_here: no such package is installed"):
        list(sources.load(_options(kind="package", name="absent_here"), {}))


def test_the_standard_library_gives_thousands_of_functions_and_no_tests(monkeypatch, tmp_path):
    rows, manifest = corpus(monkeypatch, tmp_path, "--kind", "stdlib", "--max_samples", 300)
    assert len(rows) == manifest["functions"] == 300
    assert not any({"test", "tests", "site-packages"} & set(row["path"].split("/")) for row in rows)
    assert rows[0]["url"].startswith("https://github.com/python/cpython/blob/v3.")
    assert manifest["revision"] == "v" + ".".join(map(str, sys.version_info[:3])) and manifest["license"] == "PSF-2.0"
    everything = list(sources.load(_options(kind="stdlib"), {}))
    assert len(everything) > 3000
    # A second reading meets the same functions in the same order.
    everything = iter([{**row, "source": "mine"} for row in everything])
    assert all(row in everything for row in rows)


def _options(**given):
    nothing = dict.fromkeys(("name", "config_name", "revision", "path", "max_samples"))
    return SimpleNamespace(**{**nothing, "columns": {}, "seed": 0, "format": "functions", **given})


FOREIGN = [
    {"body": record(number)["code"], "summary": f"Case {number}.", "set": name, "stars": number}
    for number, name in enumerate(["train", "valid", "dev", "test", None])
]
COLUMNS = ("--columns", "code=body", "docstring=summary", "partition=set")


def test_json_lines_with_other_columns_plain_or_packed_file_or_folder(monkeypatch, tmp_path):
    folder = tmp_path / "rows"
    write_jsonl(folder / "b.jsonl.gz", FOREIGN[:2])
    write_jsonl(folder / "a" / "more.jsonl", FOREIGN[2:])
    rows, manifest = corpus(monkeypatch, tmp_path, "--kind", "files", "--path", folder, *COLUMNS)
    assert [row["docstring"] for row in rows] == [f"Case {number}." for number in (2, 3, 4, 0, 1)]
    assert [row.get("partition") for row in rows] == ["validation", "test", None, "train", "validation"]
    assert set(rows[0]) == {"code", "docstring", "func_name", "repo", "path", "url", "partition", "source"}
    assert manifest["columns"] == {"code": "body", "docstring": "summary", "partition": "set"}
    one, _ = corpus(monkeypatch, tmp_path, "--kind", "files", "--path", folder / "b.jsonl.gz", *COLUMNS)
    assert len(one) == 2


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--kind", "files", "--path", "{rows}"],
            r"rows\.jsonl:1: no column 'code'; map it with --columns code=COLUMN",
        ),
        (["--kind", "files", "--path", "{rows}", "--columns", "code=body", "docstring=text"], "no column 'text'"),
        (["--kind", "files", "--path", "{rows}", *COLUMNS[:3], "url=link"], r"no column 'link' \(--columns url=link\)"),
        (
            ["--kind", "files", "--path", "{rows}", *COLUMNS[:3], "partition=stars"],
            "the partition '0' is none of train",
        ),
        (["--kind", "files", "--path", "{rows}", *COLUMNS, "kode=body"], "--columns: must be 'code'.*not 'kode'"),
        (["--kind", "files", "--path", "{torn}", *COLUMNS], r"torn\.jsonl:2: not a JSON line"),
        (["--kind", "files", "--path", "{list}", *COLUMNS], r"list\.jsonl:1: holds \[1\], where a JSON object belongs"),
        (["--kind", "files", "--path", "{nowhere}"], "nowhere.*: no such file or folder"),
        (["--kind", "files", "--path", "{empty}"], "holds no file that ends in .jsonl"),
        (["--kind", "python", "--path", "{empty}"], "holds no .py file"),
        (["--kind", "python"], "--path: missing; the kind python needs path"),
        (["--kind", "hub"], "--name: missing; the kind hub needs name"),
    ],
)
def test_a_bad_source_is_one_line_and_writes_nothing(monkeypatch, tmp_path, words, message):
    write_jsonl(tmp_path / "rows.jsonl", FOREIGN)
    (tmp_path / "torn.jsonl").write_text(json.dumps(FOREIGN[0]) + '\n{"body": ')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "empty").mkdir()
    names = {"rows": "rows.jsonl", "torn": "torn.jsonl", "list": "list.jsonl", "empty": "empty", "nowhere": "nowhere"}
    words = [word.format(**{name: tmp_path / file for name, file in names.items()}) for word in words]
    with pytest.raises(UserError, match=message) as caught:
        corpus(monkeypatch, tmp_path, *words)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mine.jsonl.gz").exists() and not (tmp_path / "m.json").exists()


def test_max_samples_takes_rows_by_seed_in_their_order(monkeypatch, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{**record(number), "path": str(number)} for number in range(200)])
    taken = {}
    for seed in (0, 0, 1):
        words = ("--kind", "files", "--path", tmp_path / "rows.jsonl", "--max_samples", 40, "--seed", seed)
        rows, _ = corpus(monkeypatch, tmp_path, *words)
        numbers = [int(row["path"]) for row in rows]
        assert numbers == sorted(numbers) and len(numbers) == 40
        assert taken.setdefault(seed, numbers) == numbers
    assert taken[0] != taken[1]


def test_pocket_gives_as_many_functions_as_asked_the_same_bytes_each_time(monkeypatch, tmp_path):
    packed = []
    for _ in range(2):
        rows, manifest = corpus(monkeypatch, tmp_path, "--kind", "pocket", "--max_samples", 200, "--seed", 3)
        packed.append((tmp_path / "mine.jsonl.gz").read_bytes())
    assert len(rows) == 200 and set(manifest["partitions"]) == {"train", "validation", "test"}
    assert packed[0] == packed[1] and gzip.decompress(packed[0])


# -- benchmarks and manifests ------------------------------------------------------------------------------------


def test_a_benchmark_is_written_with_its_manifest(monkeypatch, tmp_path):
    words = ["download.py", "benchmark", "--kind", "pocket", "--seed", "0", "--output", str(tmp_path / "p.jsonl")]
    monkeypatch.setattr(sys, "argv", [*words, "--manifest", str(tmp_path / "p.json")])
    download.main()
    rows = list(read_jsonl(tmp_path / "p.jsonl"))
    manifest = read_json(tmp_path / "p.json")
    assert manifest["problems"] == len(rows) >= 150 and manifest["kind"] == "pocket"
    assert set(benchmarks.FIELDS) <= set(rows[0])


def test_manifests_are_gathered_by_name(monkeypatch, tmp_path):
    paths = [tmp_path / "teacher.json", tmp_path / "source-stdlib.json"]
    for number, path in enumerate(paths):
        path.write_text(json.dumps({"number": number}))
    words = [
        "download.py",
        "manifest",
        "--inputs",
        *map(str, paths),
        "--output",
        str(tmp_path / "all" / "manifest.json"),
    ]
    monkeypatch.setattr(sys, "argv", words)
    download.main()
    assert read_json(tmp_path / "all" / "manifest.json") == {"teacher": {"number": 0}, "source-stdlib": {"number": 1}}
    monkeypatch.setattr(sys, "argv", [*words[:3], str(paths[0]), *words[3:]])
    with pytest.raises(UserError, match="two manifests are called teacher"):
        download.main()


# -- models and data sets, from folders and from a hub of our own -------------------------------------------------


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A tiny model in several shards, without a generation config."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("model")
    tokenizer = made_tokenizer()
    tokenizer.save_pretrained(folder)
    shape = {**SHAPES["gpt2"], "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", **shape))
    model.save_pretrained(folder, max_shard_size="100KB")
    (folder / "generation_config.json").unlink()
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split, numbers in (("train", range(8)), ("validation", range(8, 11)), ("test", range(11, 13))):
        rows = [{"whole": record(n)["code"], "docstring": f"Case {n}.", "stars": n} for n in numbers]
        write_jsonl(folder / f"{split}.jsonl", rows)
    return folder


def same_weights(one, other):
    import torch
    from transformers import AutoModelForCausalLM

    first, second = (AutoModelForCausalLM.from_pretrained(path).state_dict() for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_model_of_a_local_folder_is_saved_in_the_one_layout(monkeypatch, tmp_path, model_folder):
    output = tmp_path / "out"
    output.mkdir()
    (output / "keep.txt").write_text("of another rule")
    words = ["download.py", "model", "--name", model_folder, "--output", output, "--manifest", tmp_path / "m.json"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    download.main()
    assert {path.name for path in output.iterdir()} == MODEL_FILES | {"keep.txt"}
    assert same_weights(model_folder, output)
    manifest = read_json(tmp_path / "m.json")
    assert set(manifest["files"]) == MODEL_FILES and manifest["revision"] is None
    digest = hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest()
    assert manifest["files"]["model.safetensors"] == digest


@pytest.mark.parametrize(
    "name, extra, message",
    [
        ("{here}/none", [], "no such folder"),
        ("{here}", [], "no config.json"),
        ("{here}", ["--revision", "main"], "a local folder .* has no revisions"),
    ],
)
def test_a_bad_model_folder_is_one_line(monkeypatch, tmp_path, name, extra, message):
    words = ["download.py", "model", "--name", name.format(here=tmp_path), *extra]
    words += ["--output", str(tmp_path / "out"), "--manifest", str(tmp_path / "m.json")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(UserError, match=message) as caught:
        download.main()
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def hub_hashes(folder):
    """What a hub tells of a folder: SHA-256 of weights, git's names of the rest."""
    found = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content)
        found[path.name] = (hashlib.sha256(content) if path.suffix == ".safetensors" else blob).hexdigest()
    return found


def test_a_damaged_file_a_bare_403_and_a_dropped_connection(tmp_path, model_folder):
    outputs = ("--output", tmp_path / "model", "--manifest", tmp_path / "model.json")
    weights = max(model_folder.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    with hub(own__model=model_folder) as server:
        there = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home")}
        server.faults = {weights.name: "corrupted"}
        done = run(*MODEL, "own/model", *outputs, **there)
        assert done.returncode == 2 and f"{weights.name} is not what the hub has (sha256" in done.stderr
        assert not (tmp_path / "model").exists()
        server.faults = {weights.name: "forbidden"}
        done = run(*MODEL, "own/model", *outputs, **there)
        assert done.returncode == 2 and "the hub answered 403; this token may not read it" in done.stderr
        server.faults, server.sent = {weights.name: "dropped"}, []
        done = run(*MODEL, "own/model", *outputs, **there)
        assert done.returncode == 0, done.stderr
        # Only what was lacking is fetched: the other files stayed from the runs before.
        assert {name for name, _ in server.sent} == {weights.name} and len(server.sent) == 2
        assert same_weights(model_folder, tmp_path / "model")


def test_a_disk_that_fills_is_one_line(tmp_path, model_folder):
    words = ["model", "--name", model_folder, "--output", tmp_path / "out", "--manifest", tmp_path / "m.json"]
    line = shlex.join([sys.executable, str(SCRIPT), *map(str, words)])
    # A limit of file size is met as a full disk is.
    done = subprocess.run(["bash", "-c", f"ulimit -f 40; {line}"], capture_output=True, text=True, check=False)
    lines = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert "could not be written (File too large); free some space, or set HF_HOME" in lines[0]
    assert not (tmp_path / "out").exists() and not (tmp_path / "m.json").exists()


def test_want_of_room_is_told_before_anything_is_fetched(monkeypatch):
    import shutil
    from collections import namedtuple

    from codestill.models import hub as ours

    files = [
        namedtuple("File", "file_size will_download")(2**30, True),
        namedtuple("F", "file_size will_download")(9, False),
    ]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(2**29))
    with pytest.raises(UserError, match=r"needs 1\.00 GiB in HF_HOME \(/nowhere\), where 0\.50 are free"):
        ours._check_room("own/model", files, "/nowhere")
    ours._check_room("own/model", files[1:], "/nowhere")


def test_model_and_data_set_from_a_hub_and_again_from_its_cache_offline(tmp_path, model_folder, data_folder):
    with hub(own__model=model_folder, own__data=data_folder) as server:
        online = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_a_secret"}
        for turn in ({}, {"HF_HUB_OFFLINE": "1"}):
            before = len(server.seen)
            outputs = ("--output", tmp_path / "model", "--manifest", tmp_path / "model.json")
            done = run("model", "--name", "own/model", *outputs, **online, **turn)
            assert done.returncode == 0, done.stderr
            manifest = read_json(tmp_path / "model.json")
            assert manifest["revision"] == COMMIT and set(manifest["files"]) == MODEL_FILES
            assert manifest["hub_hashes"] == (None if turn else hub_hashes(model_folder))
            assert manifest["license"] == (None if turn else "apache-2.0")  # as its card names it, where one can ask
            outputs = ("--output", tmp_path / "data.jsonl.gz", "--manifest", tmp_path / "data.json")
            words = ("corpus", "--kind", "hub", "--name", "own/data", "--columns", "code=whole", *outputs)
            read = run(*words, **online, **turn)
            assert read.returncode == 0, read.stderr
            assert read_json(tmp_path / "data.json")["partitions"] == {"train": 8, "validation": 3, "test": 2}
            assert read_json(tmp_path / "data.json")["license"] == manifest["license"]
            assert (len(server.seen) > before) == (not turn)
            everything = done.stdout + done.stderr + read.stdout + read.stderr
            for path in (tmp_path / "model.json", tmp_path / "data.json"):
                everything += path.read_text()
            assert "hf_a_secret" not in everything
            assert "it/s" not in everything  # no bars in a job's log
    assert any(token == "Bearer hf_a_secret" for _, _, token in server.seen)
    assert same_weights(model_folder, tmp_path / "model")
    row = next(read_jsonl(tmp_path / "data.jsonl.gz"))
    assert row["code"].startswith("def f0(") and row["docstring"] == "Case 0." and row["partition"] == "train"


def test_a_data_set_in_a_local_folder_needs_no_hub(tmp_path, data_folder):
    outputs = ("--output", tmp_path / "data.jsonl.gz", "--manifest", tmp_path / "m.json")
    words = ("corpus", "--kind", "hub", "--name", data_folder, "--columns", "code=whole", *outputs)
    done = run(*words, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "m.json")["functions"] == 13


def test_a_streamed_data_set_brings_the_same_rows_and_leaves_no_copy(tmp_path, data_folder):
    found = []
    with hub(own__data=data_folder) as server:
        for more in ((), ("--stream",)):
            home = tmp_path / f"home{len(more)}"
            outputs = ("--output", tmp_path / "data.jsonl.gz", "--manifest", tmp_path / "m.json")
            words = ("corpus", "--kind", "hub", "--name", "own/data", "--columns", "code=whole", *more, *outputs)
            done = run(*words, HF_ENDPOINT=server.url, HF_HOME=str(home))
            assert done.returncode == 0, done.stderr
            found.append(list(read_jsonl(tmp_path / "data.jsonl.gz")))
            assert bool(list(home.rglob("*.arrow"))) == (not more)
    assert found[0] == found[1] and len(found[0]) == 13


def test_parquet_files_are_read_as_json_lines_are(tmp_path, data_folder):
    import pyarrow
    from pyarrow import parquet

    folder, found = tmp_path / "parquet", []
    folder.mkdir()
    for path in data_folder.glob("*.jsonl"):
        parquet.write_table(pyarrow.Table.from_pylist(list(read_jsonl(path))), folder / f"{path.stem}.parquet")
    for place in (data_folder, folder):
        outputs = ("--output", tmp_path / "data.jsonl.gz", "--manifest", tmp_path / "m.json")
        done = run("corpus", "--kind", "files", "--path", place, "--columns", "code=whole", *outputs)
        assert done.returncode == 0, done.stderr
        found.append(list(read_jsonl(tmp_path / "data.jsonl.gz")))
    assert found[0] == found[1] and len(found[0]) == 13
    (folder / "train.parquet").write_bytes(b"PAR1 torn")
    done = run("corpus", "--kind", "files", "--path", folder, "--columns", "code=whole", *outputs)
    assert done.returncode == 2 and "train.parquet: not a parquet file, or torn" in done.stderr
    assert done.stderr.count("\n") == 1


MODEL, DATA = ("model", "--name"), ("corpus", "--kind", "hub", "--name")


def test_what_the_hub_refuses_is_one_line_with_a_remedy(tmp_path, model_folder, data_folder):
    outputs = ("--output", tmp_path / "out.jsonl", "--manifest", tmp_path / "m.json")
    with hub(own__model=model_folder, own__data=data_folder) as server:
        there = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home")}
        gone = {**there, "HF_ENDPOINT": "http://127.0.0.1:9"}
        cases = [
            ((*MODEL, "own/none"), there, "model own/none does not exist on the hub, or is private"),
            ((*MODEL, "gated/one"), there, "is gated: accept its terms at https://huggingface.co/gated/one"),
            ((*MODEL, "own/model", "--revision", "v9"), there, "at revision v9 does not exist: check --revision"),
            ((*MODEL, "not a name"), there, "no name on the hub"),
            ((*MODEL, "own/model"), gone, "the hub cannot be reached"),
            ((*MODEL, "own/model"), {**there, "HF_HUB_OFFLINE": "1"}, "the hub is offline (HF_HUB_OFFLINE=1)"),
            ((*DATA, "own/none"), there, "dataset own/none does not exist"),
            ((*DATA, "gated/one"), there, "https://huggingface.co/datasets/gated/one"),
            ((*DATA, "own/data"), {**there, "HF_HUB_OFFLINE": "1"}, "the hub is offline (HF_HUB_OFFLINE=1)"),
            ((*DATA, "own/data", "--config_name", "nope"), there, "(config nope)"),
        ]
        for words, environment, message in cases:
            done = run(*words, *outputs, **environment)
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            assert (done.returncode, len(lines)) == (2, 1), (words, done.stderr)
            assert lines[0].startswith("error: ") and message in lines[0]
    assert not list(tmp_path.glob("*.jsonl")) and not (tmp_path / "m.json").exists()


def test_help_reads_without_heavy_imports():
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import download; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "codestill" in done.stdout.split()
    assert not {"torch", "transformers", "datasets", "huggingface_hub"} & set(done.stdout.split())
    done = run("corpus", "--help")
    assert done.returncode == 0 and "--max_samples" in done.stdout
