"""Choose the best configuration on validation, before any benchmark is read, and copy its model.

    python scripts/choose.py --cells results/demo/models/T-* --output results/demo/models/best_distilled

Cells that differ in nothing but their seed are one configuration. Chosen is the configuration with the lowest mean
eval_loss (CE per target token at T = 1) over its seeds; the model of its first seed is copied, and chosen.json
lists every candidate.
"""

import os
import shutil
from pathlib import Path

from codestill.kit.files import read_json, write_json
from codestill.kit.model_files import MODEL_FILES, TOKENIZER_FILES
from codestill.kit.program import UserError, log, parser, run


def candidates(folders):
    """One record per configuration: its axes without the seed, its cells by seed, its mean eval_loss."""
    found = {}
    for folder in map(Path, folders):
        cell = read_json(folder / "provenance.json").get("cell")
        loss = read_json(folder / "eval_results.json").get("eval_loss")
        if not cell or "seed" not in cell or loss is None:
            raise UserError(f"{folder}: no cell of a grid with an eval_loss; make it with scripts/distill.py")
        axes = {axis: value for axis, value in cell.items() if axis != "seed"}
        record = found.setdefault(tuple(axes.items()), {"axes": axes, "cells": []})
        record["cells"].append({"cell": folder.name, "seed": cell["seed"], "eval_loss": loss, "folder": folder})
    for record in found.values():
        record["cells"].sort(key=lambda one: one["seed"])
        record["eval_loss"] = sum(one["eval_loss"] for one in record["cells"]) / len(record["cells"])
    return sorted(found.values(), key=lambda record: record["eval_loss"])


def copy(source, target):
    """Make `target` a copy of `source`, in one step. No link: a touch of one would make the other look changed."""
    draft = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, draft)
    os.replace(draft, target)


def main():
    """The program."""
    arguments = parser(__doc__)
    arguments.add_argument("--cells", nargs="+", required=True, help="folders of distilled or fine-tuned students")
    arguments.add_argument("--output", required=True, help="folder that receives the chosen model and chosen.json")
    options = arguments.parse_args()
    ranked = candidates(options.cells)
    if len({len(record["cells"]) for record in ranked}) > 1:
        log("candidates differ in their number of seeds; means over fewer seeds are less certain")
    chosen, output = ranked[0]["cells"][0], Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        if not (chosen["folder"] / name).is_file():
            raise UserError(f"{chosen['folder'] / name}: no such file; make the cell again")
        copy(chosen["folder"] / name, output / name)
    for name in set(TOKENIZER_FILES) - set(MODEL_FILES):  # a chat template, and what older readers need
        if (chosen["folder"] / name).is_file():
            copy(chosen["folder"] / name, output / name)
    for record in ranked:
        record["cells"] = [{k: v for k, v in one.items() if k != "folder"} for one in record["cells"]]
    criterion = "lowest mean eval_loss over seeds (CE per target token at T = 1 on validation)"
    write_json(output / "chosen.json", {"cell": chosen["cell"], "criterion": criterion, "candidates": ranked})
    log(f"chosen: {chosen['cell']}, mean eval_loss {ranked[0]['eval_loss']:.4f}, of {len(ranked)} configurations")


if __name__ == "__main__":
    run(main)
