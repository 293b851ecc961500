"""A corpus from files of records to files of splits: cleaned, decontaminated, split and accounted for."""

import contextlib
import tempfile
from pathlib import Path

from codestill.data import corpus
from codestill.data.decontamination import read_benchmarks
from codestill.data.sources import PARTITIONS
from codestill.kit.files import atomic, read_jsonl, write_json
from codestill.kit.program import UserError, log, progress


def _records(paths):
    for path in paths:
        name = Path(path).name.removesuffix(".gz").removesuffix(".jsonl")
        for number, row in enumerate(read_jsonl(path), 1):
            if row.get("partition") not in (None, *PARTITIONS.values()):
                raise UserError(
                    f"{path}:{number}: field partition is {row['partition']!r}; give train, validation or test"
                )
            yield {**row, "source": row.get("source") or name}


def _losses(sources):
    """A line for each source that lost records, loud where it lost more than half."""
    for name, one in sources.items():
        reasons = sorted(((count, reason) for reason, count in one["dropped"].items() if count), reverse=True)
        lost = sum(count for count, _ in reasons)
        told = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for count, reason in reasons)
        if lost > one["read"] / 2:
            unfit = sum(count for count, reason in reasons if reason in ("not_a_function", "without_docstring"))
            remedy = f"; corpus.sources.{name}.format: code takes any Python" if unfit > lost / 2 else ""
            yield f"WARNING: {name}: {lost:,} of {one['read']:,} records dropped ({told}){remedy}"
        elif lost:
            yield f"{name}: {lost:,} of {one['read']:,} records dropped ({told})"


def prepare_corpus(sources, benchmarks, outputs, accounting, settings):
    """Write `outputs` {split: path} of the records in the files `sources`, free of the problems in `benchmarks`.

    `settings` are the config's section Split. Returns the accounts, also a file. Raises UserError where no record is
    left to train on.
    """
    known = read_benchmarks(benchmarks)
    folder = Path(outputs["train"]).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as spool:
        intake = corpus.Intake(spool, known)
        for row in progress(_records(sources), unit="function", desc="reading"):
            intake.take(row)
        splits, dropped = corpus.plan(
            intake,
            settings.validation_fraction,
            settings.test_fraction,
            settings.seed,
            max_samples=settings.max_samples,
        )
        account = corpus.accounting(intake, splits, dropped)
        if not splits["train"]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in account["dropped"].items() if count)
            raise UserError(f"{sources[0]}: of {account['read']} records none is left to train on ({reasons})")
        with contextlib.ExitStack() as stack:
            for split, path in outputs.items():
                handle = stack.enter_context(atomic(path, "wb"))
                corpus.write(handle, spool, intake, progress(splits[split], unit="function", desc=split))
    account |= {"seed": settings.seed, "sources_in_order": list(sources)}
    account["held_out"] = [Path(path).stem for path in benchmarks]
    write_json(accounting, account)
    for line in _losses(account["sources"]):
        log(line)
    log(f"read {account['read']}, kept {account['kept']}, dropped {sum(account['dropped'].values())}")
    return account
