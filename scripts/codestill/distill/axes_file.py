"""A training whose axes stand in a file that an earlier job wrote: a setting of a shortlist, or the chosen one."""

import os
import shutil
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.folders import replace_within, whole_folder
from codestill.kit.model_files import ADAPTER
from codestill.kit.program import UserError, log
from codestill.kit.whole import given
from codestill.study.cell import AXES, Cell
from codestill.study.recipe_names import CORPUS

# Axes that name models or a text, or that have a flag of their own.
MODELS = ("teacher", "teacher_seed", "student", "recipe", "seed")
OTHERS = ("README.md",)  # files in a cell's folder that other programs write


def add_axes_arguments(arguments):
    """The flags of a training that takes its axes from a file."""
    add = arguments.add_argument
    arguments.set_defaults(axes=None)
    add("--axes_from", type=given, metavar="FILE", help="take the axes, T and alpha among them, of a setting in FILE, "
        "which scripts/choose.py wrote; they stand above the flags")  # fmt: skip
    add("--rank", type=int, default=1, help="which setting of --axes_from, 1 being the best")
    add("--teachers", nargs="+", default=[], metavar="NAME=DIR", help="the teachers that its settings may name")
    add("--teachers_load_in", nargs="+", default=[], metavar="NAME=BITS", help="see --teacher_load_in")
    add("--states", nargs="+", default=[], metavar="NAME=DIR", help="and their stored states, see --teacher_cache")
    add("--texts", nargs="+", default=[], metavar="NAME=DIR", help="the tokens of recipes that its settings may name")
    add("--same_seed", type=given, nargs="+", default=[], metavar="DIR", help="finished cells of this seed: one of the "
        "same axes is copied in place of a training")  # fmt: skip


def take_axes(options):
    """Put the axes of the file into the parsed flags, and whoever teaches by them; without --axes_from do nothing."""
    if not options.axes_from:
        return
    settings = read_json(options.axes_from).get("candidates") or []
    if not 1 <= options.rank <= len(settings):
        raise UserError(f"--rank {options.rank}: {options.axes_from} has {len(settings)} settings")
    axes = settings[options.rank - 1]["axes"]
    for axis in axes.keys() - AXES.keys():
        raise UserError(f"{options.axes_from}: {axis} is no axis; make it again with scripts/choose.py")
    usual = {axis: getattr(options, axis, None) for axis in AXES} | {"recipe": CORPUS}  # of what the file lacks
    cell = Cell(**usual | axes | {"seed": options.seed}).canonical()
    for axis, value in cell.axes().items():
        if value is not None and axis not in MODELS:
            setattr(options, axis, value)
    if cell.taught:
        options.teacher_model_path = _folder(options, "teachers", cell.teacher_word)
        options.teacher_cache = _pairs(options, "states").get(cell.text_word)
        options.teacher_load_in = _pairs(options, "teachers_load_in").get(cell.teacher_word)
    if cell.recipe != CORPUS:
        options.train_data = _folder(options, "texts", cell.text_word)
    options.axes = cell.axes()


def _pairs(options, flag):
    """{name: value} of a flag's NAME=VALUE."""
    pairs = getattr(options, flag)
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"--{flag} {pair}: write NAME=DIR")
    return dict(pair.split("=", 1) for pair in pairs)


def _folder(options, flag, word):
    """The folder of that name, which the setting needs."""
    found = _pairs(options, flag).get(word)
    if found is None:
        raise UserError(f"--{flag}: {word} is missing, that setting {options.rank} of {options.axes_from} learns from")
    return given(found)


def taken_over(options):
    """Whether a finished cell of the same axes and seed was copied into OUTPUT_DIR, so that nothing is to train."""
    for folder in map(Path, options.same_seed if options.axes else []):
        if read_json(folder / "provenance.json").get("cell") == options.axes:
            if os.environ.get("RANK", "0") == "0":
                log(f"{folder} is this setting with this seed: copied, not trained again")
                with whole_folder(options.output_dir, within=[ADAPTER]) as draft:
                    for path in folder.iterdir():
                        if path.is_file() and path.name not in OTHERS:
                            shutil.copyfile(path, draft / path.name)
                    replace_within(folder, draft, ADAPTER)
            return True
    return False
