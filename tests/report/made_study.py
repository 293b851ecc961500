"""A made-up study on disk, in the file formats of the workflow, for the tests of tables, figures and pages."""

import random
from pathlib import Path

from codestill.kit.files import sha256, write_json, write_jsonl
from codestill.statistics.confidence_intervals import interval
from codestill.statistics.observations import of_rates

SEEDS = (0, 1, 2)
EXPERIMENTS = {"1": (3.0, 0.0), "2": (2.5, 0.5), "3": (4.0, 0.3)}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cell_name(temperature, alpha, seed):
    return f"alpha-1.0_seed-{seed}" if alpha == 1 else f"T-{temperature}_alpha-{alpha}_seed-{seed}"


def grid():
    """(temperature, alpha) of every setting: controls, a 3 x 3 sweep and the three experiments."""
    sweep = [(temperature, alpha) for temperature in (1.0, 2.0, 4.0) for alpha in (0.0, 0.5)]
    return list(dict.fromkeys([(None, 1.0), *sweep, *EXPERIMENTS.values()]))


def describe_study():
    cells = {}
    for temperature, alpha in grid():
        for seed in SEEDS:
            axes = {"temperature": temperature, "alpha": alpha, "learning_rate": 5e-4, "seed": seed}
            cells[cell_name(temperature, alpha, seed)] = {"role": "cell", "cell": axes}
    names = list(cells)
    return {
        "study": "made",
        "config": {
            "study": "made",
            "teacher": {"name": "t"},
            "student": {"name": "s"},
            "training": {"learning_rate": 5e-4},
            "seeds": list(SEEDS),
        },
        "models": {
            "teacher": {"role": "teacher", "cell": None},
            "student": {"role": "student", "cell": None},
            **cells,
            "best_distilled": {"role": "chosen", "cell": None},
            "best_finetuned": {"role": "chosen", "cell": None},
        },
        "experiments": {
            f"experiment_{name}": [cell_name(*setting, seed) for seed in SEEDS] for name, setting in EXPERIMENTS.items()
        },
        "sweeps": {"temperature_alpha": names},
        "baselines": ["teacher", "student", *names[:3]],
        "benchmarks": {
            "pocket": {"n": 5, "k": [1, 5], "models": ["teacher", "student", *names]},
            "humaneval": {"n": 1, "k": [1], "models": ["teacher", "student", "best_distilled", "best_finetuned"]},
        },
    }


def make(folder, problems=30):
    """Write the whole study into `folder`; returns it. The numbers are drawn, with a fixed seed."""
    folder = Path(folder)
    study = describe_study()
    write_json(folder / "study.json", study)
    draw = random.Random(7)
    ease = [draw.random() for _ in range(problems)]
    for name, entry in study["models"].items():
        if entry["role"] == "chosen":
            continue
        axes = entry["cell"] or {}
        skill = {"teacher": 0.8, "student": 0.02}.get(name, 0.45)
        if axes and axes["alpha"] != 1:
            skill += 0.12 - 0.05 * abs(axes["temperature"] - 2) + draw.gauss(0, 0.01)
        _model(folder, name, axes, skill, draw)
        _judged(folder, "pocket", name, [skill * (0.5 + hard) for hard in ease], 5, draw)
    _choose(folder)
    for name in study["benchmarks"]["humaneval"]["models"]:
        _judged(folder, "humaneval", name, [0.03 * (name == "teacher")] * 164, 1, draw)
    for benchmark, count in (("pocket", problems), ("humaneval", 164)):
        rows = [_problem(benchmark, number) for number in range(count)]
        write_jsonl(folder / "inputs" / "benchmarks" / f"{benchmark}.jsonl", rows)
    weights = folder / "inputs/models/student/model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"as downloaded")
    downloaded = {"what": "model", "name": "s", "revision": "abc", "files": {weights.name: sha256(weights)}}
    write_json(folder / "inputs/manifest.json", {"student": downloaded})
    write_json(folder / "inputs/corpus/accounting.json", {"train": 900, "validation": 50, "test": 50})
    write_json(
        folder / "tokens/accounting.json",
        {"splits": {"train": {"functions": 900, "rows": 400, "tokens": 81000, "truncated": 4}}},
    )
    return folder


def _problem(benchmark, number):
    return {
        "task_id": f"{benchmark}/{number}",
        "prompt": f'def f{number}(x):\n    """Add {number} <b>&</b> more."""\n',
        "entry_point": f"f{number}",
        "canonical_solution": f"    return x + {number}\n",
        "test": f"def check(f):\n    assert f(1) == {number + 1}\n",
    }


def _model(folder, name, axes, skill, draw):
    loss = 2.5 - 2 * skill + draw.gauss(0, 0.01)
    home = folder / "models" / name
    if name != "student":
        write_json(
            home / "eval_results.json",
            {
                "eval_loss": loss,
                "eval_loss_ce": loss,
                "eval_loss_kl": loss / 5,
                "eval_loss_total": loss * 0.7,
                "targets": 4100,
                "diagnosis": "no sign of under- or overfitting (made up)",
            },
        )
        write_json(home / "train_results.json", {"train_runtime": 20.5, "epoch": 2.0, "targets": 81000, "steps": 100})
        write_json(home / "trainer_state.json", {"log_history": list(_log(loss))})
        made = {"cell": axes, "command": ["scripts/distill.py"], "commit": COMMIT, "packages": {"torch": "2.13.0"}}
        write_json(home / "provenance.json", made)
    write_json(home / "config.json", {"model_type": "gpt2"})
    same = name == "teacher"
    write_json(
        folder / "language" / f"{name}.json",
        {
            "bits_per_byte": loss / 3,
            "ce": loss,
            "kl": None if same else loss / 5,
            "agreement": None if same else 0.8,
            "tokens": 4000,
            "bytes": 16000,
        },
    )
    if name in ("teacher", "student"):
        size = 1_000_000 if same else 640_000
        write_json(
            folder / "efficiency" / f"{name}.json",
            {
                "parameters": size,
                "bytes_on_disk": 4 * size + 1000,
                "latency_ms": size / 1e5 + draw.random(),
                "tokens_per_second_1": 2e9 / size + 100 * draw.random(),
                "memory_bytes": 400_000_000 + 4 * size,
                "device": "cpu",
                "threads": 1,
            },
        )


def _log(loss):
    for step in range(10, 101, 10):
        now = loss + 2 * 0.96**step
        yield {"step": step, "epoch": step / 50, "loss_ce": now, "loss_kl": now / 4, "loss_total": now * 0.8}
        if step % 50 == 0:
            yield {
                "step": step,
                "epoch": step / 50,
                "eval_loss_ce": now + 0.05,
                "eval_loss_kl": now / 4,
                "eval_loss_total": now * 0.85,
            }


def _judged(folder, benchmark, name, chances, n, draw):
    rows, counts = [], {}
    for number, chance in enumerate(chances):
        passed = [draw.random() < chance for _ in range(n)]
        counts[f"{benchmark}/{number}"] = {"n": n, "c": sum(passed)}
        for sample, good in enumerate(passed):
            body = f"    return x + {number}\n" if good else "    return x </script><b>\n"
            row = {"task_id": f"{benchmark}/{number}", "completion": body, "sample": sample, "finish": "stop"}
            rows.append(
                row | {"passed": good, "result": "passed" if good else f"assertion: assert f(1) == {number + 1}"}
            )
    write_jsonl(folder / "verdicts" / benchmark / f"{name}.jsonl", rows)
    total, good = len(rows), sum(row["passed"] for row in rows)
    rate = good / total
    funnel = {"finished": total - 1, "parses": total - 2, "compiles": total - 2}
    funnel |= {"defines": total - 3, "runs": max(good, total - 9), "passes": good}
    scores = {
        "benchmark": benchmark,
        "model": name,
        "n_problems": len(chances),
        "n_samples": total,
        "pass@1": rate,
        "per_problem": counts,
        "funnel": {stage: count / total for stage, count in funnel.items()},
        "intervals": {"pass@1": interval(of_rates([count["c"] / count["n"] for count in counts.values()]))},
        "isolation": "landlock",
        "protocol": {"n": n},
    }
    if n >= 5:
        some = sum(count["c"] > 0 for count in counts.values()) / len(counts)
        scores |= {"pass@5": some}
        scores["intervals"]["pass@5"] = interval(of_rates([float(count["c"] > 0) for count in counts.values()]))
    write_json(folder / "scores" / benchmark / f"{name}.json", scores)


def _choose(folder):
    for alias, cell, others in (
        ("best_distilled", cell_name(2.0, 0.5, 0), 8),
        ("best_finetuned", cell_name(None, 1.0, 0), 1),
    ):
        home = folder / "models" / alias
        candidates = [{"axes": {}, "cells": [{"cell": cell, "seed": 0}], "eval_loss": 1.5 + i} for i in range(others)]
        write_json(home / "chosen.json", {"cell": cell, "criterion": "eval_loss", "candidates": candidates})
