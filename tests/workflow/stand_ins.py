"""The real Snakefile, rules and study library, with programs that write their outputs at once: for tests of plans.

What is planned and why depends on files, params and times alone, so the programs may be as quick as they like.
"""

import shutil
from pathlib import Path

import yaml
from running import ROOT

CONFIG = {
    "study": "made",
    "teacher": {"shape": {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2}},
    "student": {"shape": {"model_type": "gpt2", "n_layer": 1, "n_embd": 24, "n_head": 2}},
    "vocabulary": {"policy": "same", "size": 300},
    "corpus": {"sources": {"pocket": {"kind": "pocket"}}},
    "training": {"epochs": 2, "threads": 1},
    "generation": {"threads": 1},
    "grading": {"workers": 1},
    "seeds": [1],
    "experiments": {"first": {"grid": {"alpha": 0.0}}, "second": {"grid": {"temperature": 4.0}}},
    "benchmarks": {"pocket": {"kind": "pocket", "n": 2, "k": [1]}},
}

PROGRAM = """
import json
import sys
from pathlib import Path

import codestill.made.NAME
from codestill.study.layout import FIGURE_FORMATS, FIGURES
from codestill.study.teacher_states import STATES_FILES

flags, name = {}, None
for word in sys.argv[1:]:
    if word.startswith("--"):
        name = word[2:]
        flags[name] = []
    elif name:
        flags[name].append(word)
folders = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
folders += ["trainer_state.json", "train_results.json", "eval_results.json", "provenance.json", "chosen.json"]
folders += ["data-00000-of-00001.arrow", "dataset_info.json", "state.json"]
folders += ["scores.csv", "ladder.csv", "table.md", "index.html"]
folders += ["passport.json", *(f"figures/{name}.{kind}" for name in FIGURES for kind in FIGURE_FORMATS)]
contents = {
    "config.json": {"model_type": "gpt2", "n_layer": 1, "n_embd": 24, "vocab_size": 300},
    "accounting.json": {
        "kept": {"train": 9, "validation": 3, "test": 3},
        "splits": {split: {"tokens": 900} for split in ("train", "validation", "test")},
    },
}
written = ["output", "outputs", "output_dir", "manifest", "accounting", "report", "verdicts", "scores"]
written += {"prepare_corpus": ["train", "validation", "test"], "generate": ["protocol"]}.get("NAME", [])
written += ["protocol"] if "NAME" in ("gather_samples", "baselines") else []
folders += STATES_FILES
if "NAME" == "report":
    cells = Path(flags["results"][0], "models").glob("*/eval_results.json")
    folders += [f"cells/{path.parent.name}/curves.svg" for path in cells]
for flag in written:
    for path in map(Path, flags.get(flag, [])):
        files = [path] if path.suffix in (".json", ".jsonl", ".gz", ".md") else [path / file for file in folders]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(contents.get(file.name, {"NAME": codestill.made.NAME.VERSION})))
"""


def made_workflow(folder, **changes):
    """Copy the workflow to `folder` with programs that stand in, and a study of three cells; returns its config."""
    folder = Path(folder)
    for part in ("Snakefile", "rules", "envs", "profiles"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    library = folder / "scripts/codestill"
    shutil.copytree(ROOT / "scripts/codestill", library, ignore=shutil.ignore_patterns("__pycache__"))
    (library / "made").mkdir()
    (library / "made/__init__.py").touch()
    for script in (ROOT / "scripts").glob("*.py"):
        if script.stem not in ("plan", "resolve_study"):
            (folder / "scripts" / script.name).write_text(PROGRAM.replace("NAME", script.stem))
            (library / "made" / script.name).write_text("VERSION = 1\n")
    for name in ("plan.py", "resolve_study.py"):
        shutil.copy2(ROOT / "scripts" / name, folder / "scripts" / name)
    return change_config(folder, **changes)


def change_config(folder, **changes):
    """Write the made study's config with top-level `changes`."""
    path = Path(folder) / "made.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}))
    return path
