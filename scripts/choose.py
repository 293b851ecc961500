"""Choose the best setting among candidates, before any reported benchmark is read, and copy its model.

    python scripts/choose.py --cells results/demo/models/T-* --measures results/demo/validation/T-*.json \\
        --by bodies_exact --output results/demo/models/best_distilled

Cells that differ in nothing but their seed are one setting. Chosen is the setting with the best mean over its seeds of
the measure --by: pass@1 on a development benchmark, the share of validation functions whose body is predicted to the
last token (bodies_exact), or validation CE (eval_loss, in the cells' own folders, without --measures). Of equal ones
that of the lower eval_loss is taken. The model of its first seed is copied, and chosen.json lists every candidate.
--shortlist N writes the N best settings alone, to be trained on more seeds (scripts/distill.py --axes_from); --among
that file then chooses among them, each by all of --seeds.
"""

import os
import shutil
from pathlib import Path

from codestill.kit.files import read_json, write_json
from codestill.kit.folders import replace_within
from codestill.kit.model_files import ADAPTER, MODEL_FILES, TOKENIZER_FILES
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
    A finalist that was taken from a cell of the grid is that cell, and counts once.
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
        if cell["seed"] not in [one["seed"] for one in record["cells"]]:
            record["cells"].append({"cell": folder.name, "seed": cell["seed"], LOSS: loss, by: value})
    return ranked(found.values(), by)


def ranked(records, by):
    """The records, the best first, with the means over their cells."""
    for record in records:
        record["cells"].sort(key=lambda one: one["seed"])
        record |= {name: sum(one[name] for one in record["cells"]) / len(record["cells"]) for name in {LOSS, by}}
    return sorted(records, key=lambda record: (0 if by == LOSS else -record[by], record[LOSS]))


def finalists(records, shortlist, seeds, by):
    """The records of a shortlist's settings alone, each by the cells of all `seeds`, the best first."""
    found = []
    for axes in [one["axes"] for one in read_json(shortlist)["candidates"]]:
        cells = [cell for one in records if one["axes"] == axes for cell in one["cells"] if cell["seed"] in seeds]
        lacking = set(seeds) - {cell["seed"] for cell in cells}
        if lacking:
            raise UserError(f"{shortlist}: a setting of it has no cell of seed {min(lacking)} among --cells; train it")
        found.append({"axes": axes, "cells": cells})
    return ranked(found, by)


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
    arguments.add_argument("--shortlist", type=int, metavar="N", help="write the N best settings; choose no model")
    arguments.add_argument("--among", type=given, metavar="FILE", help="choose among the settings of this shortlist")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[], help="with --among: what each is judged by")
    arguments.add_argument(
        "--output", required=True, help="folder that receives the chosen model and chosen.json; of --shortlist the file"
    )
    options = arguments.parse_args()
    if options.among and not options.seeds:
        raise UserError("--seeds: missing; --among judges each setting by all of them")
    records = candidates(options.cells, options.by, options.measures)
    if options.shortlist is not None:
        best = records[: options.shortlist]
        write_json(options.output, {"by": options.by, "on": options.on, "candidates": best})
        log(f"{len(best)} finalists of {len(records)} settings, by {options.by}")
        return
    best = finalists(records, options.among, options.seeds, options.by) if options.among else []
    records = best + [record for record in records if record["axes"] not in [one["axes"] for one in best]]
    if not best and len({len(record["cells"]) for record in records}) > 1:
        log("candidates differ in their number of seeds; means over fewer seeds are less certain")
    chosen, output = records[0]["cells"][0]["cell"], Path(options.output)
    home = next(Path(folder) for folder in options.cells if Path(folder).name == chosen)
    output.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        if not (home / name).is_file():
            raise UserError(f"{home / name}: no such file; make the cell again")
        copy(home / name, output / name)
    for name in set(TOKENIZER_FILES) - set(MODEL_FILES):  # a chat template, and what older readers need
        if (home / name).is_file():
            copy(home / name, output / name)
    replace_within(home, output, ADAPTER)
    criterion = WORDS[options.by] + (f" {options.on}" if options.on else "")
    record = {"cell": chosen, "by": options.by, "on": options.on, "criterion": criterion, "candidates": records}
    write_json(output / "chosen.json", record | ({"finalists": len(best)} if best else {}))
    log(f"chosen: {chosen}, mean {options.by} {records[0][options.by]:.4f}, of {len(records)} settings")


if __name__ == "__main__":
    run(main)
