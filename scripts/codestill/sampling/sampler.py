"""n samples of a model for every problem of a benchmark: exact where it can be, sharded, resumable.

A sample is a function of (run seed, task, sample index), whoever draws it and in whatever company. What is
guaranteed for a run, and on what grounds, is written into its protocol.
"""

import time
from pathlib import Path

import torch

from codestill.kit.files import read_jsonl, write_json, write_jsonl
from codestill.kit.lease import lease
from codestill.kit.program import UserError, log, progress
from codestill.kit.provenance import provenance
from codestill.models.loading import device_of, dtype_of, load_config, load_model
from codestill.models.tokenizers import load_tokenizer, start_ids
from codestill.sampling.engines import engine_for
from codestill.sampling.journal import Journal, fingerprint, shard_of
from codestill.sampling.kv_cache import Unsupported
from codestill.sampling.packed_layers import pack
from codestill.sampling.prompts import positions_of, read_tasks, shortage
from codestill.sampling.truncation import BadLogits

UNIT = 4  # batches in a unit of the fixed plan, where samples depend on their batch
KEEP_EVERY = 2.0  # seconds between two writes of finished samples

EXACT = (
    "exact: a sample depends on weights, prompt, settings, seed, task and index only, and not on batch size, order, "
    "shards or resumption, on this kind of machine and thread count, as long as batched logits differ from lone ones "
    "by less than the slack (exactness: compared, largest_difference, exceeded)"
)
DOUBTED = (
    "not exact: some batched logits differed from lone ones by more than the slack of that moment (exactness: "
    "exceeded), so that samples drawn just before may depend on their batch"
)
FIXED_PLAN = (
    "repeatable: in this precision samples may depend on their batch; the plan of batches is fixed by the settings "
    "and not by shards or resumption, so that the same settings on the same device draw the same samples"
)
BORROWED = "seeded: this engine's samples may depend on its batches and version"


class LoadedModel:
    """A model folder loaded for sampling: weights in the asked precision, its tokenizer, its positions."""

    def __init__(self, settings):
        folder = settings.model_dir
        config = load_config(folder)
        device = device_of(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False  # TF32 is no float32: its logits differ by batch
        self.tokenizer = load_tokenizer(folder)
        model = load_model(folder, dtype_of(settings.precision), quantised=True)
        self.model = pack(model.requires_grad_(False).to(device))  # faster layers, which compute the same
        self.limit = positions_of(config)
        self.device = device


def plan(tasks, settings, batch, shard):
    """Units of (Task, index) to be drawn by this shard, each unit in one go.

    Exact: the shard's part of all samples, one unit, longest prompts first. Else: units of a few batches of
    neighbours by length, cut before the shards are, so that company does not depend on them.
    """
    if settings.exact:
        pairs = [(task, index) for task in tasks for index in range(settings.n)]
        return [sorted(shard_of(pairs, shard), key=lambda pair: -len(pair[0].ids))]
    ordered = sorted(tasks, key=lambda task: -len(task.ids))
    pairs = [(task, index) for task in ordered for index in range(settings.n)]
    size = UNIT * batch
    return shard_of([pairs[start : start + size] for start in range(0, len(pairs), size)], shard)


@torch.inference_mode()
def sample(model, settings, benchmark, output, protocol, work_dir, shard="1/1"):
    """Draw this shard's samples of `benchmark` with a loaded Model; write samples.jsonl and its protocol.

    Finished samples are kept in work_dir/samples.jsonl while it runs. Returns the protocol. Raises UserError on bad
    input and where the model yields NaN.
    """
    rows = read_jsonl(benchmark)
    tasks = read_tasks(rows, model.tokenizer, model.limit, settings, benchmark)
    short = shortage(tasks, settings.max_new_tokens)
    if short["no_room"] or short["less_room"]:
        log(
            f"{benchmark}: {len(short['no_room'])} prompts leave no room for a completion, "
            f"{len(short['less_room'])} less than {settings.max_new_tokens} tokens (of {model.limit} positions)"
        )
    with lease(work_dir):
        engine = engine_for(settings.engine, model.model, model.tokenizer, settings.stops, settings, tasks)
        batch = engine.facts()["batch_size"]
        science = {**settings.science(), "engine": engine.name}
        if not settings.exact:
            science["batch_size"] = batch
        where = {"device": model.device.type, "threads": torch.get_num_threads()}
        mark = fingerprint(settings.model_dir, benchmark, {**science, **where})
        journal = Journal(Path(work_dir) / "samples.jsonl", mark)
        units = plan(tasks, settings, batch, shard)
        _draw(engine, units, journal, settings, Path(benchmark).stem)
        wanted = sorted(
            ((task.name, index) for unit in units for task, index in unit),
            key=_benchmark_order(tasks),
        )
        columns = ("task_id", "completion", "sample", "finish")
        write_jsonl(output, ({name: journal.rows[pair][name] for name in columns} for pair in wanted))
        facts = _protocol(model, settings, engine, science, short, journal, wanted, benchmark, shard, mark, len(tasks))
        write_json(protocol, facts)
        journal.close(remove=True)
    return facts


def _benchmark_order(tasks):
    places = {task.name: place for place, task in enumerate(tasks)}
    return lambda pair: (places[pair[0]], pair[1])


def _draw(engine, units, journal, settings, name):
    """Draw what the journal lacks, telling how it goes."""
    total = sum(map(len, units))
    lacking = [_lacking(unit, journal.rows, settings.exact) for unit in units]
    already = total - sum(map(len, lacking))
    if already:
        log(f"{name}: {already} of {total} samples are kept from an earlier run")
    with progress(total=total, initial=already, unit="sample", desc=name) as bar:
        teller = _Teller(journal, bar, by_unit=not settings.exact)
        for unit in lacking:
            try:
                engine.draw(unit, teller.finished)
            except BadLogits:
                why = "the model's logits hold NaN or infinity; train it again, or take --precision float32"
                raise UserError(f"{settings.model_dir}: {why}") from None
            except Unsupported as reason:
                raise UserError(f"{settings.model_dir}: {reason}; sample it with --engine transformers") from None
            teller.keep()


def _lacking(unit, rows, exact):
    """The pairs still to be drawn: in a fixed plan a unit is drawn whole or not at all."""
    lacking = [(task, index) for task, index in unit if (task.name, index) not in rows]
    return lacking if exact or not lacking else unit


class _Teller:
    """Takes finished samples: to the journal every few seconds, and to the bar or the log."""

    def __init__(self, journal, bar, by_unit):
        self.journal, self.bar, self.by_unit = journal, bar, by_unit
        self.tokens, self.waiting = 0, []
        self.start = self.kept = time.monotonic()

    def finished(self, row):
        """Take one finished sample."""
        self.waiting.append(row)
        self.tokens += row["tokens"]
        now = time.monotonic()
        self.bar.update()
        rate = self.tokens / max(1e-9, now - self.start)
        self.bar.set_postfix_str(f"{rate:,.0f} tokens/s", refresh=False)
        if not self.by_unit and now - self.kept > KEEP_EVERY:
            self.keep()

    def keep(self):
        """Write the finished samples to the journal."""
        now = time.monotonic()
        self.journal.add(self.waiting, now - self.kept)
        self.waiting, self.kept = [], now


def _protocol(model, settings, engine, science, short, journal, wanted, benchmark, shard, mark, prompts):
    rows = [journal.rows[pair] for pair in wanted]
    tokens = sum(row["tokens"] for row in rows)
    about = engine.facts()
    kept = DOUBTED if about["exactness"]["exceeded"] else EXACT
    own = kept if settings.exact else FIXED_PLAN
    return {
        "benchmark": Path(benchmark).stem,
        **science,
        "drawn_from": mark,
        "guarantee": own if engine.name == "lanes" else BORROWED,
        "start_tokens": model.tokenizer.convert_ids_to_tokens(start_ids(model.tokenizer)),
        "end_tokens": model.tokenizer.convert_ids_to_tokens(engine.ends),
        "positions": model.limit,
        "prompts": prompts,
        "prompts_without_room": short["no_room"],
        "prompts_with_less_room": short["less_room"],
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "shard": shard,
        "samples": len(rows),
        "finish": {how: sum(row["finish"] == how for row in rows) for how in ("end", "stop", "length")},
        "tokens": tokens,
        "seconds": round(journal.seconds, 3),
        "tokens_per_second": round(tokens / journal.seconds, 1) if journal.seconds else None,
        **about,
        "provenance": provenance(),
    }
