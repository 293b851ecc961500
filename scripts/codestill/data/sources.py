"""Where documented functions come from. A kind of source is one entry in KINDS: from a source's section of the
config it yields rows {code, docstring, func_name, repo, path, url, partition?}.
"""

import heapq
import importlib.util
import itertools
import os
import random
import sys
import sysconfig
from pathlib import Path

from codestill.data import instruct, pocket
from codestill.data.code_in_text import code_in
from codestill.data.functions import documented_functions, read_source
from codestill.data.kinds import Kind
from codestill.data.units import units
from codestill.kit.files import read_jsonl
from codestill.kit.licences import licence_of, package_origin
from codestill.kit.program import UserError, log, progress
from codestill.models.hub import dataset_origin, one_line

FIELDS = ("code", "docstring", "func_name", "repo", "path", "url", "partition")
PARTITIONS = {"train": "train", "test": "test"} | dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
_PARQUET = ".parquet"
_ROWS = (".jsonl", ".json", ".jsonl.gz", ".json.gz", _PARQUET)
_NO_SOURCE = {"__pycache__", "site-packages", "dist-packages", "node_modules"}
_NO_LIBRARY = _NO_SOURCE | {"test", "tests", "idle_test", "lib2to3", "turtledemo", "ensurepip"}


def _mapped(row, columns, origin):
    """`row` under our field names. A mapped column that is missing is an error; other fields may be."""
    for ours, theirs in columns.items():
        if theirs not in row:
            raise UserError(
                f"{origin}: no column {theirs!r} (--columns {ours}={theirs}); it has {', '.join(sorted(row))}"
            )
    return {field: row.get(columns.get(field, field)) for field in FIELDS}


def _clean(row, partition, origin):
    """Text in every text field, and the partition under our names or not at all."""
    given = row.pop("partition")
    given = partition if given in (None, "") else str(given)
    row = {
        field: "" if value is None else value if isinstance(value, str) else str(value) for field, value in row.items()
    }
    if given:
        if given not in PARTITIONS:
            raise UserError(f"{origin}: the partition {given!r} is none of {', '.join(PARTITIONS)}; map another column")
        row["partition"] = PARTITIONS[given]
    return row


def _row(row, options, partition, origin):
    """A row of a data set as a record of the corpus."""
    if options.format == "instruct":
        return instruct.record({**row, **({"partition": partition} if partition else {})}, options.columns, origin)
    return _clean(_mapped(row, options.columns, origin), partition, origin)


def _need_columns(row, options, origin):
    """Raise UserError where the first row lacks code or, of documented functions, a docstring."""
    columns = options.columns
    if options.format == "instruct":
        return  # each row says what it lacks
    for field in ("code", "docstring") if options.format == "functions" else ("code",):
        if columns.get(field, field) not in row:
            raise UserError(
                f"{origin}: no column {columns.get(field, field)!r}; map it with --columns {field}=COLUMN, "
                f"one of {', '.join(sorted(row))}"
            )


def _hub(options, facts):
    """A data set of the Hugging Face hub, or a folder in its layout; partitions are its splits."""
    facts["revision"], facts["license"] = dataset_origin(options.name, options.revision)
    import datasets

    # The partition of a hub data set is its split, so the column of that name is not asked for.
    with one_line("dataset", options.name, options.revision), _dataset_errors(datasets, options):
        revision = facts["revision"] or options.revision
        splits = datasets.load_dataset(
            options.name, options.config_name, revision=revision, streaming=options.stream
        )  # fmt: skip
    for split, rows in splits.items():
        if split not in PARTITIONS and "partition" not in options.columns:
            log(f"{options.name}: the split {split} is none of train, validation, test: left out")
            continue
        names = rows.column_names or list(next(iter(rows), ()))  # a stream may not know them before its first row
        if not names:
            continue
        _need_columns(names, options, options.name)
        ours = {options.columns.get(one, one) for one in FIELDS}
        wanted = [column for column in names if column in ours or options.format == "instruct"]
        for row in rows.select_columns(wanted):
            yield _row(row, options, split, options.name)


class _dataset_errors:
    """What datasets raises for bad names, as a UserError."""

    def __init__(self, datasets, options):
        self.errors = (datasets.exceptions.DatasetsError, FileNotFoundError, ValueError, RuntimeError)
        self.options = options

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from huggingface_hub import errors

        ours = isinstance(error, self.errors) and not isinstance(
            error, (UserError, errors.HTTPError, errors.HFValidationError)
        )
        if ours and not isinstance(error, errors.LocalEntryNotFoundError):
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"dataset {self.options.name} (config {self.options.config_name}): {reason}") from None


def _files(options, facts):
    """A file or folder of JSON lines, plain or gzip, in CodeSearchNet's format (Husain et al. 2019, arXiv 1909.09436),
    or of parquet with such columns."""
    root = _existing(options)
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.name.endswith(_ROWS))
    if not files:
        raise UserError(f"--path {root}: holds no file that ends in {', '.join(_ROWS)}")
    for path in files:
        for number, row in enumerate(_read_parquet(path) if path.suffix == _PARQUET else read_jsonl(path), 1):
            origin = f"{path}:{number}"
            if number == 1:
                _need_columns(row, options, origin)
            yield _row(row, options, None, origin)


def _read_parquet(path):
    """Yield the rows of a parquet file, a thousand in memory at a time."""
    import pyarrow
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(path).iter_batches(1000):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a parquet file, or torn ({' '.join(str(error).split())[:200]})") from None


def _python(options, facts):
    """Documented functions of a Python file, or of every one in a folder."""
    root = _existing(options)
    files = [root] if root.is_file() else list(python_files(root))
    if not files:
        raise UserError(f"--path {root}: holds no .py file")
    home = root if root.is_dir() else root.parent
    yield from _cut(files, home, root.resolve().name, "", options.format)


def _package(options, facts):
    """An installed Python package, which is not imported, without its tests; its version is the revision."""
    spec = importlib.util.find_spec(options.name) if options.name.isidentifier() else None
    root = next(iter(spec.submodule_search_locations or ()), None) if spec else None
    if root is None:
        raise UserError(f"--name {options.name}: no such package is installed; pip install it")
    facts["revision"], facts["license"] = package_origin(options.name)
    yield from _cut(list(python_files(root, _NO_LIBRARY)), Path(root), options.name, "", options.format)


def _stdlib(options, facts):
    """The standard library of the interpreter that runs this, without its tests."""
    root = Path(sysconfig.get_path("stdlib"))
    version = ".".join(map(str, sys.version_info[:3]))
    facts["revision"] = f"v{version}"
    url = f"https://github.com/python/cpython/blob/v{version}/Lib/"
    yield from _cut(list(python_files(root, _NO_LIBRARY)), root, "python/cpython", url, options.format)


def _pocket(options, facts):
    """The training split of Pocket: `max_samples` functions of the grammar that `seed` picks."""
    yield from pocket.training_functions(options.max_samples or pocket.FUNCTIONS, options.seed)


KINDS = {
    "hub": Kind(_hub, takes=("name", "config_name", "revision", "columns", "stream"), needs=("name",)),
    "files": Kind(_files, takes=("path", "columns"), needs=("path",)),
    "python": Kind(_python, takes=("path",), needs=("path",)),
    "package": Kind(_package, takes=("name",), needs=("name",)),
    "stdlib": Kind(_stdlib, functions=(4500, 250, 250), licence="PSF-2.0"),
    "pocket": Kind(_pocket, functions=(10800, 330, 370), tokens=57, licence="MIT"),
}


def _existing(options):
    if not Path(options.path).exists():
        raise UserError(f"--path {options.path}: no such file or folder")
    return Path(options.path)


def python_files(root, skipped=_NO_SOURCE):
    """The .py files under a folder in a fixed order; hidden folders and links to folders are not entered."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in skipped and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _cut(files, root, repo, url, form):
    """Rows of Python files: their documented functions, or for any code their units."""
    unread = 0
    for file in progress(files, unit="file", desc="reading"):
        source = read_source(file)
        if source is None:
            unread += 1
            continue
        path = file.relative_to(root).as_posix()
        found = ((name, text, "") for name, text in units(source)) if form == "code" else documented_functions(source)
        for name, code, docstring in found:
            link = url + path if url else ""
            yield {"code": code, "docstring": docstring, "func_name": name, "repo": repo, "path": path, "url": link}
    if unread:
        log(f"{unread} files could not be decoded and were left out")


def _sample(rows, count, seed):
    """`count` of the rows, chosen by seed, in their order; holds no more than those in memory."""
    rng = random.Random(f"sample {seed}")
    ranked = ((rng.random(), number, row) for number, row in enumerate(rows))
    chosen = heapq.nsmallest(count, ranked, key=lambda ranked_row: ranked_row[:2])
    return [row for _, _, row in sorted(chosen, key=lambda ranked_row: ranked_row[1])]


def load(options, facts):
    """Yield the rows of the source that `options` (a `Source` of the config) names; those of any code say `format`.
    `facts` is filled with what is learnt on the way (the resolved revision). Raises UserError.
    """
    kind = KINDS[options.kind]
    facts["license"] = kind.licence or (licence_of(options.path) if options.path else None)
    rows = kind.read(options, facts)
    if options.format == "code":
        rows = ({**row, "code": code_in(row["code"]), "format": "code"} for row in rows)
    if options.max_samples and options.kind != "pocket":
        rows = _sample(rows, options.max_samples, options.seed)
    first = next(iter_rows := iter(rows), None)
    if first is None:
        raise UserError(f"the source of kind {options.kind} at {options.path or options.name} holds no functions")
    return itertools.chain([first], iter_rows)
