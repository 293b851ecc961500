"""Torn files: every program that is given one refuses it in one line that names it, and writes nothing."""

import multiprocessing
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tiny_study import jobs

import children

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n"
HALF = {"half": lambda raw: raw[: len(raw) // 2]}
DAMAGE = {
    ".jsonl": {"last row": lambda raw: b"".join(raw.splitlines(keepends=True)[:-1])},
    ".safetensors": {"pointer": lambda raw: POINTER},
    ".json": {"null": lambda raw: b"null\n"},
}
# What a report cannot read it names in its page, and goes on; what starts from nothing reads no file of the study.
TOLERANT = ("report", "download_benchmark", "download_corpus", "resolve_study")


def commands(text):
    """{rule: (inputs, outputs, words of its command)} of a dry run with --printshellcmds; the first of each rule."""
    found = {}
    for block in re.split(r"\n(?=(?:local)?rule )", text):
        rule = re.match(r"(?:local)?rule (\w+):", block)
        command = re.search(r"^Shell command: (.*?) > ", block, re.M)
        if rule and command:
            lists = (re.search(rf"^    {key}: (.*)$", block, re.M) for key in ("input", "output"))
            inputs, outputs = ([one.strip() for one in found[1].split(",")] if found else [] for found in lists)
            found.setdefault(rule[1], (inputs, outputs, shlex.split(command[1])))
    return found


def one_of_each_kind(paths):
    """Of files that differ in nothing but their cell or model, the first."""
    kinds = {}
    for path in map(Path, paths):
        made = path.parts[2] in ("scores", "language", "validation", "efficiency", "samples", "models")
        place = path.parts[2] if made else path.parent
        kinds.setdefault((place, path.name if path.parts[2] in ("models", "inputs", "tokens") else path.suffix), path)
    return list(map(str, kinds.values()))


def ended(program, flags, folder, log):
    """(exit code, output) of a program that runs in `folder`, in a child of this process."""

    def go():
        os.chdir(folder)
        children._child(program, flags, str(log))

    process = multiprocessing.get_context("fork").Process(target=go)
    process.start()
    process.join(120)
    return process.exitcode, log.read_text()


@pytest.fixture(scope="module")
def planned(finished):
    """The commands of all rules of the finished study."""
    return commands(jobs(finished, "--forceall", "--printshellcmds", "--nolock")[1])


RULES = (
    *("manifest", "check_benchmark", "prepare_corpus", "build_model", "match_vocabulary", "tokenize_corpus", "teach"),
    *("audit", "cache_teacher", "distill", "generate", "grade", "measure_language", "measure_validation"),
    *("measure_efficiency", "choose", "model_card", "near_copies", "complete_without_model"),
)


def test_the_rules_tried_are_those_of_the_study(planned):
    assert set(RULES) == set(planned) - set(TOLERANT)


@pytest.mark.parametrize("rule", RULES)
def test_a_torn_file_is_refused_in_one_line_that_names_it(finished, planned, tmp_path, rule):
    inputs, outputs, words = planned[rule]
    at = next(number for number, word in enumerate(words) if word.endswith(".py"))
    program, flags, wrong = Path(words[at]).stem, words[at + 1 :], []
    for number, path in enumerate(one_of_each_kind(inputs)):
        if path.endswith("inputs/audit.json"):
            continue  # a job waits for it; no program reads it
        raw = (finished / path).read_bytes()
        for kind, damage in {**HALF, **DAMAGE.get(Path(path).suffix, {})}.items():
            case = tmp_path / f"{number} {kind}"
            shutil.copytree(finished / "results", case / "results", copy_function=os.link)
            for gone in [path, *outputs]:
                (case / gone).unlink(missing_ok=True)
            (case / path).write_bytes(damage(raw))
            shutil.rmtree(case / "results/tiny/work", ignore_errors=True)
            code, said = ended(program, flags, case, case / "log")
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            named = errors and any(name in errors[0] for name in (Path(path).name, str(Path(path).parent)))
            left = [out for out in outputs if (case / out).exists()]
            if code != 2 or len(errors) != 1 or not named or "Traceback" in said or left:
                wrong.append((path, kind, code, left, said[-300:]))
            shutil.rmtree(case)
    assert not wrong, wrong
