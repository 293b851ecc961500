"""Choose the best setting among candidates, before any reported benchmark is read, and copy its model.

    python scripts/choose.py --cells results/demo/models/T-* --measures results/demo/validation/T-*.json \\
        --by bodies_exact --output results/demo/models/best_distilled

Cells that differ in nothing but their seed are one setting. Chosen is the setting with the best mean over its seeds of
the measure --by: pass@1 on a development benchmark, the share of validation functions whose body is predicted to the
last token (bodies_exact), or validation CE (eval_loss, in the cells' own folders, without --measures). Of equal ones
that of the lower eval_loss is taken. The model of its first seed is copied, and chosen.json lists every candidate.
"""

import os
import shutil
from pathlib import Path

from codestill.kit.files import read_json, write_json
from codestill.kit.model_files import MODEL_FILES, TOKENIZER_FILES
from codestill.kit.program import UserError, log, parser, run
from codestill.kit.whole import given
from codestill.study.sections.selection import BODIES, LOSS, PASS

WORDS = {
    PASS: "the highest mean pass@1 on the development benchmark",
    BODIES: "the largest mean share of validation functions whose body is predicted to the last token",
    LOSS: "the lowest mean eval_loss (CE per target token at T = 1 on validation)",
}


def candidates(folders, by, measures=()):
    """One record per setting, the best first: its axes without the seed, its cells by seed, its mean of the measure.

    measures: a file for each folder, named after it, that holds the measure; without them eval_results.json has it.
    """
    files = {Path(path).stem: Path(path) for path in measures}
    found = {}
    for folder in map(Path, folders):
        cell = read_json(folder / "provenance.json").get("cell")
        if not cell or "seed" not in cell:
            raise UserError(f"{folder}: no cell of a grid; make it with scripts/distill.py")
        source = folder / "eval_results.json" if by == LOSS else files.get(folder.name)
        if source is None:
            raise UserError(f"--measures: none is called {folder.name}.json; give one for each cell")
        value, loss = read_json(source).get(by), read_json(folder / "eval_results.json").get(LOSS)
        if value is None or loss is None:
            raise UserError(f"{source}: holds no {by}; make the cell again, or choose by another (selection.by)")
        axes = {axis: value for axis, value in cell.items() if axis != "seed"}
        record = found.setdefault(tuple(axes.items()), {"axes": axes, "cells": []})
        record["cells"].append({"cell": folder.name, "seed": cell["seed"], LOSS: loss, by: value})
    for record in found.values():
        record["cells"].sort(key=lambda one: one["seed"])
        record |= {name: sum(one[name] for one in record["cells"]) / len(record["cells"]) for name in {LOSS, by}}
    return sorted(found.values(), key=lambda record: (0 if by == LOSS else -record[by], record[LOSS]))


def copy(source, target):
    """Make `target` a copy of `source`, in one step. No link: a touch of one would make the other look changed."""
    draft = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, draft)
    os.replace(draft, target)


def main():
    """The program."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--cells", type=given, nargs="+", required=True, help="folders of distilled or fine-tuned students"
    )
    arguments.add_argument(
        "--measures", type=given, nargs="+", default=[], help="a JSON file for each, named after its folder"
    )
    arguments.add_argument("--by", choices=[PASS, BODIES, LOSS], required=True, help="the measure that chooses")
    arguments.add_argument("--on", help="the development benchmark that it was taken on, for the record")
    arguments.add_argument("--output", required=True, help="folder that receives the chosen model and chosen.json")
    options = arguments.parse_args()
    ranked = candidates(options.cells, options.by, options.measures)
    if len({len(record["cells"]) for record in ranked}) > 1:
        log("candidates differ in their number of seeds; means over fewer seeds are less certain")
    chosen, output = ranked[0]["cells"][0]["cell"], Path(options.output)
    home = next(Path(folder) for folder in options.cells if Path(folder).name == chosen)
    output.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        if not (home / name).is_file():
            raise UserError(f"{home / name}: no such file; make the cell again")
        copy(home / name, output / name)
    for name in set(TOKENIZER_FILES) - set(MODEL_FILES):  # a chat template, and what older readers need
        if (home / name).is_file():
            copy(home / name, output / name)
    criterion = WORDS[options.by] + (f" {options.on}" if options.on else "")
    record = {"cell": chosen, "by": options.by, "on": options.on, "criterion": criterion, "candidates": ranked}
    write_json(output / "chosen.json", record)
    log(f"chosen: {chosen}, mean {options.by} {ranked[0][options.by]:.4f}, of {len(ranked)} settings")


if __name__ == "__main__":
    run(main)
