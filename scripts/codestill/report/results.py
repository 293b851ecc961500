"""What a study has left in its results folder, read as it stands: a file that is absent is missing, never zero."""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

from codestill.kit.files import read_json, read_jsonl
from codestill.kit.program import UserError
from codestill.study.recipe_names import CORPUS
from codestill.study.recipe_words import recipe_words

LATER = ("finalist", "fresh")  # roles of models whose axes others' measures named


@dataclass(frozen=True)
class JudgedModel:
    """Anything judged: its name, role (teacher, student or cell) and the axes of its cell ({} without one).

    chosen: what it was chosen as. copies: finalists that were found to be this cell. fresh_of: as what its setting had
    been chosen when it was trained with a seed that did not choose; None for all others.
    """

    name: str
    role: str
    axes: dict = field(default_factory=dict)
    chosen: tuple = ()
    copies: tuple = ()
    fresh_of: str | None = None

    @property
    def setting(self):
        """The cell without its seed, as a hashable key; the name itself for a model that is no cell.

        Fresh seeds make a setting of their own: the others chose it, and would flatter it.
        """
        if not self.axes:
            return ((self.name, None),)
        own = tuple((axis, value) for axis, value in self.axes.items() if axis != "seed" and value is not None)
        return own + ((("fresh", self.fresh_of),) if self.fresh_of else ())

    @property
    def seed(self):
        return self.axes.get("seed")

    @property
    def alone(self):
        """True for a student fine-tuned without a teacher (alpha 1, on the corpus)."""
        return self.axes.get("alpha") == 1 and self.recipe == "corpus"

    @property
    def recipe(self):
        """Where the text of a cell comes from."""
        return self.axes.get("recipe") or "corpus"


class Results:
    """A study (`study.json`) and its results folder.

    `models` lists each judged model once: a chosen model (`best_distilled`, `best_finetuned`) is the cell it is a
    copy of, marked in `JudgedModel.chosen`, and the files of either name count for it. A finalist or fresh model is
    a cell from when it is trained, by the axes that it was trained with. A file that is there and cannot be read
    counts as missing; `damaged` says which those are, and why. `partial` says of which models some problems of a
    benchmark were not judged.
    """

    def __init__(self, study, folder):
        self.study, self.folder, self._read, self.damaged, self.partial = study, Path(folder), {}, {}, {}
        self.choices = self._read_choices()
        self.models = self._list_models()
        self.by_name = {model.name: model for model in self.models}
        self.by_name |= {copy: model for model in self.models for copy in model.copies}
        for alias, choice in self.choices.items():
            if choice["cell"] in self.by_name:  # a finalist may be gone since
                self.by_name[alias] = self.by_name[choice["cell"]]

    @classmethod
    def load(cls, study_file, folder):
        study = read_json(study_file)
        for key in ("study", "models"):
            if key not in study:
                raise UserError(f"{study_file}: no field {key!r}; write it again with scripts/resolve_study.py")
        return cls(study, folder)

    def _read_choices(self):
        found = {}
        for alias, entry in self.study["models"].items():
            path = f"models/{alias}/chosen.json"
            choice = self.optional(path) if entry["role"] == "chosen" else None
            if choice and choice.get("cell") in self.study["models"]:
                found[alias] = choice
            elif choice is not None:
                cell = choice.get("cell")
                self.damaged[path] = f"{self.folder / path}: cell {cell!r} is not in the study; delete it, choose again"
        return found

    def _list_models(self):
        chosen = {}
        for alias, choice in self.choices.items():
            chosen.setdefault(choice["cell"], []).append(alias)
        found, places = [], {}
        for name, entry in self.study["models"].items():
            axes, aliases = dict(entry.get("cell") or {}), tuple(chosen.get(name, ()))
            if entry["role"] in LATER:
                axes = (self.optional(f"models/{name}/provenance.json") or {}).get("cell")
                same = places.get(_key(axes)) if entry["role"] == "finalist" and axes else None
                if same is not None:
                    both = (*found[same].chosen, *aliases)
                    found[same] = replace(found[same], chosen=both, copies=(*found[same].copies, name))
                elif axes:
                    fresh = entry["of"] if entry["role"] == "fresh" else None
                    found.append(JudgedModel(name, "cell", axes, aliases, fresh_of=fresh))
            elif entry["role"] != "chosen":
                places[_key(axes)] = len(found)
                found.append(JudgedModel(name, entry["role"], axes, aliases))
        return found

    @property
    def name(self):
        return self.study["study"]

    @property
    def benchmarks(self):
        """The benchmarks whose scores are results; one for development chooses, and is reported nowhere."""
        every = self.study.get("benchmarks", {})
        return {name: entry for name, entry in every.items() if entry.get("use", "reported") == "reported"}

    @property
    def axes(self):
        """Every axis of the study's cells, in the order in which cells name them; the seed is last."""
        names = dict.fromkeys(axis for model in self.models for axis in model.axes)
        return [axis for axis in names if axis != "seed"] + ["seed"]

    @functools.cached_property
    def varied(self):
        """The axes that take more than one value among the study's cells."""
        cells = [model.axes for model in self.models if model.role == "cell"]
        seen = {}
        for axes in cells:
            for axis, value in axes.items():
                seen.setdefault(axis, set()).add(value)
        return {axis for axis, values in seen.items() if len(values) > 1}

    @functools.cached_property
    def several_recipes(self):
        """Whether any of the study's cells learns from another text than the corpus alone."""
        return any(recipe_words(model.axes) != CORPUS for model in self.models if model.role == "cell")

    @functools.cached_property
    def defaults(self):
        """{axis: value} of the study's default cell, as far as its config says; the seed is the first."""
        config = self.study.get("config", {})
        named = {**config.get("training", {}), **config.get("distillation", {})}
        if config.get("seeds"):
            named["seed"] = config["seeds"][0]
        return {axis: named[axis] for axis in self.axes if axis in named}

    def names_of(self, model):
        """The names under which files of this model may lie: its own first, then those it was chosen as."""
        return [model.name, *model.chosen, *model.copies]

    def _load(self, path, read=read_json, kind=dict):
        """What `read` makes of a file of the study, read once; None where it is missing, damaged or no `kind`."""
        if path not in self._read:
            self._read[path] = None
            try:
                value = read(self.folder / path) if (self.folder / path).exists() else None
                if value is not None and not isinstance(value, kind):
                    raise UserError(f"{self.folder / path}: holds no {kind.__name__}; delete it and run again")
                self._read[path] = value
            except UserError as error:
                if str(error) not in self.damaged.values():  # rows are read beside their account, which may be torn
                    self.damaged[path] = str(error)
        return self._read[path]

    def document(self, model, pattern):
        """The JSON of the first readable file among the model's names put into `pattern`; None without one."""
        found = (self._load(pattern.format(name)) for name in self.names_of(model))
        return next((value for value in found if value is not None), None)

    def trained(self, model, what):
        """`eval_results`, `train_results`, `trainer_state` or `provenance` of a model's folder; None if missing."""
        return self.document(model, "models/{}/" + what + ".json")

    def language(self, model):
        """How well a model predicts held-out code; None if missing."""
        return self.document(model, "language/{}.json")

    def efficiency(self, model):
        """What a model costs: measured on it, or on what a cell or a task starts from, whose architecture it has."""
        found = self.document(model, "efficiency/{}.json")
        if found is not None or model.role not in ("cell", "task"):
            return found
        trained = (self.trained(model, "train_results") or {}).get("steps") != 0  # else it is a copy of its start
        start = self.by_name.get(self._start(model.name, whole=trained))
        found = self.efficiency(start) if start else None
        return _in_float32(found) if found and trained else found

    def _start(self, name, whole):
        """The model that a cell or a task starts from; `whole`: of a quantised one what that was made of, for what is
        trained on weights in few bits is written whole, and is no faster or slower than any other."""
        start = self.made_from(name)[0]
        while whole and self.study["models"].get(start, {}).get("operation") == "quantise":
            start = self.made_from(start)[0]
        return start

    def made_from(self, name):
        """The names of the models that one is made from, of a cell its student first."""
        return self.study.get("made_from", {}).get(name) or ["student"]

    def scores(self, model, benchmark):
        """The scores of a model on a benchmark; None if missing. Those over fewer problems are told in `partial`."""
        found = self.document(model, f"scores/{benchmark}/{{}}.json")
        tasks, judged = len(self.problems(benchmark)), (found or {}).get("n_problems")
        if tasks and judged is not None and judged < tasks:
            self.partial[f"{benchmark} {model.name}"] = f"pass@k is over {judged} of {tasks} problems"
        return found

    def verdicts(self, model, benchmark):
        """The graded samples of a model, as a list; None if missing."""
        found = (self._load(f"verdicts/{benchmark}/{name}.jsonl", _rows, list) for name in self.names_of(model))
        return next((rows for rows in found if rows is not None), None)

    def problems(self, benchmark):
        """The benchmark's problems by task_id, {} where its file is missing."""
        rows = self._load(f"inputs/benchmarks/{benchmark}.jsonl", _rows, list)
        return {row["task_id"]: row for row in rows or ()}

    def optional(self, path):
        """A JSON file of the study by its path in the results folder; None if missing."""
        return self._load(path)

    def chosen(self, alias):
        """The model chosen on validation as `alias`; None before the choice was made."""
        return self.by_name.get(alias) if alias in self.choices else None

    def headline(self, alias):
        """A model of the setting that the headline compares: of fresh seeds where the study has some, else chosen."""
        if any(entry["role"] == "fresh" and entry["of"] == alias for entry in self.study["models"].values()):
            return next((model for model in self.models if model.fresh_of == alias), None)
        return self.chosen(alias)

    def absence(self, model, benchmark, measure):
        """Why a model has no such measure: `–` where it has no meaning, `not judged` by plan, else `missing`."""
        if benchmark:
            planned = self.benchmarks[benchmark].get("models", [])
            if self.study["models"].get(model.name, {}).get("role") == "finalist" and model.name not in planned:
                return "not judged"
            setting = [other for other in self.models if other.setting == model.setting]
            judged = any(name in planned for other in setting for name in self.names_of(other))
            return "missing" if judged else "not judged"
        if (model.role == "teacher" and measure in ("kl", "agreement", "eval_loss_kl")) or (
            model.role == "student" and measure.startswith("eval_loss")
        ):
            return "–"  # the teacher's distance to itself; validation belongs to training
        return "missing"

    def _named(self, name):
        """The model of that name; before it is chosen, one that stands for it."""
        return self.by_name.get(name) or JudgedModel(name, "chosen")

    def missing(self):
        """Files that the finished study has and this folder lacks or cannot read, inside it, in a fixed order."""
        wanted = [(model, "models/{}/eval_results.json") for model in self.models if model.role == "cell"]
        for name, entry in self.study["models"].items():
            if entry["role"] in LATER and name not in self.by_name:
                wanted.append((self._named(name), "models/{}/eval_results.json"))
        for benchmark, entry in self.benchmarks.items():
            wanted += [(self._named(name), f"scores/{benchmark}/{{}}.json") for name in entry.get("models", [])]
        wanted += [(model, "language/{}.json") for model in self.models]
        wanted += [
            (self._named(name), "efficiency/{}.json") for name in self.study.get("timed", ["teacher", "student"])
        ]
        lost = [pattern.format(model.name) for model, pattern in wanted if self.document(model, pattern) is None]
        for alias, entry in self.study["models"].items():
            if entry["role"] == "chosen" and alias not in self.choices:
                lost.append(f"models/{alias}/chosen.json")
        return list(dict.fromkeys(lost))


def _in_float32(cost):
    """What a model costs once training has written it, always in float32; but for the file's head of a few kB."""
    least = 4 * cost.get("parameters", 0)
    return cost | {"bytes_on_disk": least} if cost.get("bytes_on_disk", least) < least else cost


def _key(axes):
    """What tells one cell from another."""
    return tuple(sorted(axes.items()))


def _rows(path):
    rows = list(read_jsonl(path))
    if not rows or not all(isinstance(row, dict) and "task_id" in row for row in rows):
        raise UserError(f"{path}: not one row with a task_id a line; delete it and run again")
    return rows


def find_results(results=None):
    """The results folder meant: `results`, else the only one under `results/` here or beside the workflow.

    A folder counts once it holds `study.json`. Raises UserError where none or several do.
    """
    if results is not None:
        folder = Path(results)
        if not (folder / "study.json").exists():
            raise UserError(f"{folder}: holds no study.json; name a study's results folder")
        return folder
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        found = sorted(path.parent for path in (root / "results").glob("*/study.json"))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(path) for path in found)
            raise UserError(f"several studies have results ({names}): say which, results=...")
    raise UserError("no results/*/study.json here: run a study first, or name its folder, results=...")
