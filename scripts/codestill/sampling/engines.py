"""Engines behind one interface: `draw(pairs, settings, finished)` calls `finished(row)` for each sample.

`lanes` is the workflow's own; `transformers` is the field's common loop (`generate`, one problem at a time), kept as
a reference and for models that lanes cannot hold; `vllm` is optional (see `vllm_requests`). All draw by the study's
settings alone: of a folder's generation_config.json only the end tokens count, not its penalties, temperatures or
lengths.
"""

import torch

from codestill.kit.program import UserError, log
from codestill.models.loading import PRECISIONS, device_of
from codestill.sampling.continuous_batching import Decoder
from codestill.sampling.kv_cache import Lanes, Unsupported
from codestill.sampling.stop_rules import GrowingText, StopRules
from codestill.sampling.truncation import refuse_not_finite, row_key
from codestill.sampling.vllm_requests import VllmRequests

SHARED_FROM = 6  # samples per problem from which lanes share their prompt instead of copying it
# Lanes where --memory allows more: on a CPU products of 128 rows run a quarter faster than of 64, and beyond, a step's
# logits leave the cache.
DEFAULT_BATCH = {"cpu": 128, "cuda": 256}


def drawable(model, tokenizer):
    """(columns, banned): ids below `columns` may be drawn, but for the `banned` ones that name no token."""
    known = set(tokenizer.get_vocab().values())
    columns = min(model.get_output_embeddings().weight.shape[0], max(known) + 1)
    return columns, [number for number in range(columns) if number not in known]


def end_tokens(model, tokenizer):
    """The ids that end a completion: the tokenizer's end token, and those of generation_config.json (a list in Llama 3
    and Qwen2) that are special tokens of this tokenizer; others are left from another vocabulary."""
    config = getattr(model, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    named = named if isinstance(named, list | tuple) else [named]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    special.update(tokenizer.all_special_ids)
    return [tokenizer.eos_token_id, *sorted({one for one in named if one in special} - {tokenizer.eos_token_id})]


def out_of_memory(error):
    """Whether an exception says that memory ran out (the CPU's allocator raises a plain RuntimeError)."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text


class LanesEngine:
    """The workflow's own loop: see `decoding`."""

    name = "lanes"

    def __init__(self, model, tokenizer, stops, settings, tasks):
        columns, banned = drawable(model, tokenizer)
        self.model, self.settings = model, settings
        self.rules = StopRules(tokenizer, stops, columns)
        self.ends = end_tokens(model, tokenizer)
        self.longest = max(len(task.ids) + task.room for task in tasks)
        self.longest_own = max(1, *(task.room for task in tasks))
        self.lanes = Lanes(model, columns, banned, settings.n >= SHARED_FROM)
        self.lanes.trial()
        self.exact = settings.exact
        self.batch = settings.batch_size or self._batch_within(settings.memory_bytes, tasks)
        self.halved = 0
        self.decoder = None

    @property
    def capacity(self):
        """Tokens that a lane must hold."""
        return self.longest_own if self.lanes.shared else self.longest

    def _batch_within(self, budget, tasks):
        """Lanes that fit in the budget beside the weights: keys, values, and a handful of rows of logits each."""
        probe = self.lanes.prefill([0])
        token = sum(part.numel() * part.element_size() for state in probe.states for part in state)
        lane = token * self.capacity + 8 * 4 * self.lanes.columns
        longest_prompt = max(len(task.ids) for task in tasks)
        if self.lanes.shared:  # a group of lanes holds one prompt; a batch may hold parts of one more at each end
            lane += token * longest_prompt * 3 // min(self.settings.n, 64)
        free = budget - sum(weight.numel() * weight.element_size() for weight in self.model.parameters())
        if free < lane:
            raise UserError(f"--memory {self.settings.memory}: too little for the model and one sample; give more GiB")
        return int(min(free // lane, DEFAULT_BATCH.get(self.lanes.device.type, 128)))

    def draw(self, pairs, finished):
        """Sample `pairs` of (Task, index). A batch that does not fit in memory is halved and what is left goes on."""
        todo = dict.fromkeys((task.name, index) for task, index in pairs)

        def done(sample):
            del todo[sample.task.name, sample.index]
            finished(row_of(sample))

        while todo:
            try:
                self._run([pair for pair in pairs if (pair[0].name, pair[1]) in todo], done)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or self.batch == 1:
                    raise
                self.batch = -(-self.batch // 2)
                self.halved += 1
                self.lanes.lanes = 0
                log(f"out of memory: going on with {self.batch} samples at once")

    def _run(self, pairs, done):
        lanes = min(self.batch, len(pairs))
        if self.lanes.lanes < lanes:
            self.lanes.allocate(lanes, self.capacity)
        if self.decoder is None:
            self.decoder = Decoder(self.lanes, self.rules, self.settings, self.ends, self.exact)
        self.decoder.run(pairs, done)

    def facts(self):
        """What the protocol says about this engine."""
        slack = self.decoder.slack if self.decoder else None
        return {
            "batch_size": self.batch,
            "halved": self.halved,
            "prompts_shared": self.lanes.shared,
            "exactness": {
                "compared": slack.compared if slack else 0,
                "decided_alone": slack.decided_alone if slack else 0,
                "largest_difference": slack.worst if slack else 0.0,
                "slack": slack.value if slack else 0.0,
                "exceeded": slack.exceeded if slack else 0,
            },
        }


def row_of(sample):
    """A row of samples.jsonl, with the count of tokens that the journal keeps beside it."""
    return {
        "task_id": sample.task.name,
        "completion": sample.text.text(),
        "sample": sample.index,
        "finish": sample.finish,
        "tokens": len(sample.text.ids) + (sample.finish == "end"),
    }


class _Told:
    """A sample whose tokens another engine drew: followed up to where it ends by the study's rules."""

    def __init__(self, task, index, ids, rules, ends):
        self.task, self.index, self.text, self.finish = task, index, GrowingText(rules), "length"
        for token in ids[: task.room]:
            if token in ends:
                self.finish = "end"
                break
            if self.text.add(token):
                self.finish = "stop"
                break


class _Borrowed:
    """What the two borrowed engines share: samples of one problem at a time, nothing exact but the settings."""

    def __init__(self, model, tokenizer, stops, settings, tasks):
        self.settings, self.ends = settings, end_tokens(model, tokenizer)
        self.columns, self.banned = drawable(model, tokenizer)
        self.rules = StopRules(tokenizer, stops, self.columns)
        self.prepare(model, tokenizer, tasks)

    def draw(self, pairs, finished):
        """Sample `pairs` of (Task, index), grouped by problem."""
        groups = {}
        for task, index in pairs:
            groups.setdefault(task.name, (task, []))[1].append(index)
        for task, indices in groups.values():
            drawn = self.ids_of(task, indices) if task.room else [[] for _ in indices]
            for index, ids in zip(indices, drawn, strict=True):
                finished(row_of(_Told(task, index, ids, self.rules, self.ends)))

    def facts(self):
        """What the protocol says about this engine."""
        none = {"compared": 0, "decided_alone": 0, "largest_difference": 0.0, "slack": 0.0, "exceeded": 0}
        return {"batch_size": self.batch, "halved": 0, "exactness": none, "engine_version": self.version}


def _only_finite(_, logits):
    """A step of transformers' logits processors: of NaN, `generate` takes a token without a word when it is greedy."""
    refuse_not_finite(logits.amax(dim=-1))
    return logits


class TransformersEngine(_Borrowed):
    """`model.generate` per problem, with as many sequences as it has samples; seeded by problem."""

    name = "transformers"

    def prepare(self, model, tokenizer, tasks):
        from transformers import GenerationConfig, __version__

        self.model, self.version = model, __version__
        self.batch = self.settings.batch_size or self.settings.n
        model.generation_config = GenerationConfig()
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.ends[0]

    def ids_of(self, task, indices):
        """New ids of the samples, one list each."""
        settings = self.settings
        hidden = list(range(self.columns, self.model.get_output_embeddings().weight.shape[0])) + self.banned
        torch.manual_seed(row_key(settings.seed, task.name, indices[0]) % 2**63)
        draws = {"do_sample": False}
        if settings.temperature:
            draws = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        prompt = torch.tensor([task.ids], device=self.model.device)
        found = self.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=task.room,
            num_return_sequences=len(indices) if settings.temperature else 1,
            eos_token_id=self.ends,
            pad_token_id=self.pad,
            suppress_tokens=hidden or None,
            logits_processor=[_only_finite],
            **draws,
        )[:, len(task.ids) :].tolist()
        return found if settings.temperature else found * len(indices)


class VllmEngine(_Borrowed):
    """vLLM, one request per sample with its own seed."""

    name = "vllm"

    def prepare(self, model, tokenizer, tasks):
        settings = self.settings
        rows = model.get_output_embeddings().weight.shape[0]
        unknown = set(self.banned) | set(range(self.columns, rows))
        self.allowed = [number for number in range(rows) if number not in unknown] if unknown else None
        self.batch = settings.batch_size or DEFAULT_BATCH[device_of(settings.device).type]
        free = settings.memory_bytes - sum(weight.numel() * weight.element_size() for weight in model.parameters())
        if free <= 0:
            raise UserError(f"--memory {settings.memory}: too little for the model; give more GiB")
        model.to("cpu")  # vLLM loads weights of its own
        self.requests = VllmRequests(
            settings.model_dir, device_of(settings.device), PRECISIONS[settings.precision],
            max((len(task.ids) + task.room for task in tasks if task.room), default=2), free, self.batch, settings.seed,
        )  # fmt: skip
        self.version = self.requests.vllm.__version__

    def draw(self, pairs, finished):
        """Sample all `pairs` in one call: vLLM batches across problems itself."""
        for task, index in pairs:
            if not task.room:
                finished(row_of(_Told(task, index, [], self.rules, self.ends)))
        wanted = {f"{place}": (task, index) for place, (task, index) in enumerate(pairs) if task.room}
        requests = {name: (task.ids, self._settings(task, index)) for name, (task, index) in wanted.items()}
        for name, ids in self.requests.complete(requests):
            finished(row_of(_Told(*wanted[name], ids, self.rules, self.ends)))

    def _settings(self, task, index):
        return {
            "temperature": self.settings.temperature,
            "top_p": self.settings.top_p,
            "max_tokens": task.room,
            "seed": row_key(self.settings.seed, task.name, index) % 2**63,
            "stop": self.settings.stops,
            "stop_token_ids": self.ends,
            "allowed_token_ids": self.allowed,
        }


ENGINES = {engine.name: engine for engine in (LanesEngine, TransformersEngine, VllmEngine)}


def engine_for(name, *parts):
    """The engine `name` over (model, tokenizer, stops, settings, tasks).

    `auto` is lanes, or transformers where a trial shows that lanes cannot hold the model.
    """
    if name != "auto":
        return ENGINES[name](*parts)
    try:
        return LanesEngine(*parts)
    except Unsupported as reason:
        log(f"this model is sampled with transformers' generate: {reason}")
        return TransformersEngine(*parts)
