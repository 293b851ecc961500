"""generate.py and gather_samples.py as programs."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from small_models import make_benchmark, make_folder

SCRIPTS = Path(__file__).parents[2] / "scripts"


def program(name, *arguments):
    command = [sys.executable, SCRIPTS / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("generate")
    make_folder(place / "model")
    make_benchmark(place / "one.jsonl", 3)
    make_benchmark(place / "two.jsonl", 2)
    return place


def test_two_benchmarks_share_one_process(made):
    outputs, protocols = ([made / f"{name}.{kind}" for name in "ab"] for kind in ("jsonl", "json"))
    done = program(
        "generate.py", "--model", made / "model", "--benchmark", made / "one.jsonl", made / "two.jsonl",
        "--output", *outputs, "--protocol", *protocols, "--work_dir", made / "work", "--n", 2, 3,
        "--max_new_tokens", 8, "--temperature", 0.5, "--stop", "\\ndef", "zz", "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "quiet where standard error is no terminal"
    assert "6 samples" in done.stdout.splitlines()[-1]
    rows = [[json.loads(line) for line in path.read_text().splitlines()] for path in outputs]
    assert [len(part) for part in rows] == [6, 6]
    assert all(list(row) == ["task_id", "completion", "sample", "finish"] for part in rows for row in part)
    assert [row["sample"] for row in rows[1]] == [0, 1, 2, 0, 1, 2]
    facts = json.loads(protocols[0].read_text())
    expected = {"n": 2, "temperature": 0.5, "top_p": 0.95, "max_new_tokens": 8, "seed": 0, "stop": ["\ndef", "zz"]}
    expected |= {"strip_prompt": "newline", "precision": "float32", "engine": "lanes", "prompts_without_room": []}
    assert {key: facts[key] for key in expected} == expected
    assert facts["guarantee"].startswith("exact") and facts["tokens"] > 0 and sum(facts["finish"].values()) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--model": "absent"}, "absent: no config.json"),
        ({"--benchmark": "absent.jsonl"}, "absent.jsonl: no such file"),
        ({"--top_p": "0"}, "--top_p: must be greater than 0"),
        ({"--shard": "5"}, "--shard 5"),
    ],
)
def test_bad_input_is_one_line_and_code_2(made, changes, message, monkeypatch, capsys):
    flags = {
        "--model": made / "model", "--benchmark": made / "one.jsonl", "--output": made / "x.jsonl",
        "--protocol": made / "x.json", "--work_dir": made / "bad", "--device": "cpu",
    }  # fmt: skip
    words = [str(word) for pair in (flags | changes).items() for word in pair]
    monkeypatch.setattr(sys, "argv", ["generate.py", *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS / "generate.py"), run_name="__main__")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert not (made / "x.jsonl").exists()


def test_gather_counts_its_parts(made):
    done = program(
        "gather_samples.py", "--benchmark", made / "one.jsonl", "--samples", "a", "b", "--protocols", "a",
        "--output", made / "x.jsonl", "--protocol", made / "x.json",
    )  # fmt: skip
    assert done.returncode == 2 and "--protocols" in done.stderr


@pytest.mark.parametrize("name", ["generate.py", "measure.py", "gather_samples.py"])
def test_help_is_fast_and_shows_a_command(name):
    done = program(name, "--help")
    assert done.returncode == 0 and f"python scripts/{name}" in done.stdout
    command = [sys.executable, "-X", "importtime", SCRIPTS / name, "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "argparse" in imported and "torch" not in imported and "transformers" not in imported
