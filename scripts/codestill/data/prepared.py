"""A corpus from files of records to files of splits: cleaned, decontaminated, split and accounted for."""

import contextlib
from collections import Counter
from pathlib import Path

from codestill.data import corpus
from codestill.data.decontamination import read_benchmarks
from codestill.data.intake import Intake
from codestill.kit.disk_space import room_on_disk
from codestill.kit.files import atomic, sha256, write_json
from codestill.kit.imports import code_digests
from codestill.kit.lease import leased_until_done
from codestill.kit.program import UserError, log, progress


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


def prepare_corpus(sources, benchmarks, outputs, accounting, settings, workers=1, work_dir=None):
    """Write `outputs` {split: path} of the records in the files `sources`, free of the problems in `benchmarks`.

    `settings` are the config's section Split. work_dir: where a killed call leaves what it took in, and the next goes
    on; beside the accounts where it is not given. Returns the accounts, also a file. Raises UserError where no record
    is left to train on.
    """
    known = read_benchmarks(benchmarks)
    work = Path(work_dir or Path(accounting).with_name(f".{Path(accounting).stem}.work"))
    key = [code_digests("prepare_corpus"), [sha256(path) for path in benchmarks]]
    with room_on_disk(work), leased_until_done(work):
        intake = Intake(work, sources, known, settings.split_by, key)
        intake.take_all(workers)
        _need_origins(intake, settings.split_by)
        records = intake.records()
        splits, dropped = corpus.plan(records, intake.sources, intake.dropped, settings)
        account = corpus.accounting(intake, records, splits, dropped)
        if not len(splits["train"]):
            reasons = ", ".join(f"{reason} {count}" for reason, count in account["dropped"].items() if count)
            raise UserError(f"{sources[0]}: of {account['read']} records none is left to train on ({reasons})")
        with contextlib.ExitStack() as stack:
            for split, path in outputs.items():
                handle = stack.enter_context(atomic(path, "wb"))
                corpus.write(handle, intake.spool, records, progress(splits[split], unit="function", desc=split))
    account |= {"seed": settings.seed, "sources_in_order": list(sources)}
    account["held_out"] = [Path(path).stem for path in benchmarks]
    write_json(accounting, account)
    for line in _losses(account["sources"]):
        log(line)
    log(f"read {account['read']}, kept {account['kept']}, dropped {sum(account['dropped'].values())}")
    return account


def _need_origins(intake, split_by):
    """Raise UserError where a source is to be split by what none of its records names."""
    if split_by == "function":
        return
    for source, count in intake.unnamed.items():
        if count and count == intake.read[source] - intake.dropped.get(source, Counter()).total():
            raise UserError(
                f"--split_by {split_by}: no record of the source {source} names its {split_by}; map the column "
                f"(corpus.sources.{source}.columns), or split by function"
            )
