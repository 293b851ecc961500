"""Text that the student writes itself, as it is at that step: on-policy distillation (GKD, Agarwal et al. 2023).

With share lambda a batch's functions are taken back to their prompts and completed by the student, at temperature 1,
up to so many new tokens; the teacher is run on what it wrote, and the divergence of the two is taken at the new tokens
(arXiv 2306.13649, algorithm 1). Own text has no labels: of the objective alpha CE + (1 - alpha) T^2 D only the second
term acts on it. Where GKD tosses a coin for each batch, the share is spread evenly over the batches, so that it is
lambda exactly.

What is written depends on the weights, the seed and the batch's number alone, never on what was written before: a
resumed training writes the same. `refresh` steps are written at once, which costs less than each alone; what is not
learnt yet goes with the checkpoint.
"""

import contextlib
import math
import time
from collections import deque
from itertools import pairwise

import numpy as np
import torch

from codestill.data.batches import IGNORE, collate
from codestill.data.text import body_start
from codestill.kit import attempts
from codestill.kit.program import UserError
from codestill.models.token_bytes import text_pieces
from codestill.models.tokenizers import load_tokenizer, start_ids
from codestill.sampling.engines import DEFAULT_BATCH, drawable
from codestill.sampling.kv_cache import Lanes, Unsupported
from codestill.sampling.prompts import positions_of
from codestill.sampling.truncation import BadLogits, choose, row_key, step_words

ROUND = 64  # a lane's capacity is rounded up to this, so that it changes seldom


def prompt_length(ids, labels, pieces, led=0):
    """How many tokens of one function (ids, labels [tokens]) are its prompt; 0 where nothing of it is learnt.

    A conversation's is what is not learnt of its beginning; a function's its signature and docstring, without the
    newline that follows; of a text without a function its first half. pieces: the bytes of each token id; led: how many
    start tokens lead a text. Of these, or else of its first token, a function learns nothing either.
    """
    targets = np.flatnonzero(labels != IGNORE)
    if not len(targets):
        return 0
    if targets[0] > max(led, 1):
        return int(targets[0])
    spelt = [pieces[index] for index in ids]
    text = b"".join(spelt).decode(errors="replace")
    start = body_start(text)
    if start is None:
        return (len(ids) + 1) // 2
    ends = np.cumsum([len(piece) for piece in spelt])
    return int(np.searchsorted(ends, len(text[:start].encode()), side="right"))


def prompts_of(batch, pieces, led=0):
    """The prompt's ids of each function in a batch of the corpus, in order; pieces and led as for `prompt_length`."""
    found = []
    for ids, positions, labels in zip(
        *(batch[name].cpu().numpy() for name in ("input_ids", "position_ids", "labels")), strict=True
    ):
        starts = np.append(np.flatnonzero(positions == 0), len(ids))
        for start, stop in pairwise(starts):
            length = prompt_length(ids[start:stop], labels[start:stop], pieces, led)
            if length:
                found.append(ids[start : start + length].tolist())
    return found


class StudentWriter:
    """The student as a sampler in the training's own process.

    columns: token ids that may be drawn are below it, since the teacher must know them. limit: positions of the two
    models, or None. Raises UserError where the sampler cannot hold the model.
    """

    def __init__(self, model, tokenizer, columns, limit, new_tokens, seed):
        own, banned = drawable(model, tokenizer)
        columns = min(own, columns)
        self.model, self.limit, self.new_tokens, self.seed = model, limit or 2**31, new_tokens, seed
        self.end, self.pieces = tokenizer.eos_token_id, text_pieces(tokenizer, columns)
        self.led = len(start_ids(tokenizer))
        self.lanes = Lanes(model, columns, [number for number in banned if number < columns])
        try:
            with self._as_itself():
                self.lanes.trial(together=True)
        except Unsupported as reason:
            raise UserError(f"--on_policy: the student cannot be sampled in lanes ({reason}); use 0") from None

    @contextlib.contextmanager
    def _as_itself(self):
        """The student in evaluation mode with its own forward pass, which a trainer replaces."""
        model, training = self.model, self.model.training
        replaced = {name: model.__dict__.pop(name) for name in ("forward", "_original_forward") if name in vars(model)}
        model.eval()
        try:
            yield
        finally:
            model.__dict__.update(replaced)
            model.train(training)

    @torch.no_grad()
    def write(self, prompts):
        """{name: new ids} for {name: prompt ids}; the end token is among them. A prompt without room gets none."""
        written = {name: [] for name in prompts}
        names = [name for name, ids in prompts.items() if len(ids) < self.limit]
        names.sort(key=lambda name: -len(prompts[name]))
        size = DEFAULT_BATCH.get(self.lanes.device.type, 128)
        with self._as_itself():
            for start in range(0, len(names), size):
                block = names[start : start + size]
                written |= zip(block, self._complete(block, [prompts[name] for name in block]), strict=True)
        return written

    def _complete(self, names, prompts):
        """The new ids of prompts that begin and go on together, a lane each, until the last of them has ended.

        The sampling loop of `continuous_batching` serves many samples by few lanes, to the bit whatever their company;
        here all of a block's company is known, and nothing but the end token ends a text.
        """
        lengths = np.array([len(ids) for ids in prompts])
        rooms = np.minimum(self.new_tokens, self.limit - lengths)
        keys = np.array([row_key(self.seed, name, 0) for name in names], np.uint64)
        words = step_words(keys[:, None], np.arange(rooms.max()))
        # By this text alone: a resumed training must meet arrays of the same shape.
        capacity = -(-int((lengths + rooms).max()) // ROUND) * ROUND
        if self.lanes.lanes < len(names) or self.lanes.capacity != capacity:
            self.lanes.allocate(len(names), capacity)
        new, texts = np.zeros((len(names), rooms.max()), np.int64), np.arange(len(names))  # the text of each lane
        logits = self.lanes.prefill_together(prompts)
        for step in range(rooms.max()):
            drawn = self._draw(logits, words[texts, step])
            new[texts, step] = drawn
            ended = (drawn == self.end) | (step + 1 >= rooms[texts])
            rooms[texts[ended]] = step + 1  # from here on the text's size
            texts = self._drop(texts, ended, lengths + step)
            if not len(texts):
                break
            logits = self.lanes.step(new[texts, step], lengths[texts] + step)
        return [ids[:size].tolist() for ids, size in zip(new, rooms, strict=True)]

    def _draw(self, logits, words):
        words = torch.from_numpy(words).to(self.lanes.device)
        try:
            return choose(logits, words, temperature=1.0, top_p=1.0)[0].cpu().numpy()
        except BadLogits:
            message = "the student's logits hold NaN or infinity; lower --learning_rate"
            raise UserError(message, attempts.DIVERGED) from None

    def _drop(self, texts, ended, held):
        """The texts of the lanes that go on, the last of which have moved into the gaps; `held` tokens are cached."""
        texts, count = texts.copy(), len(texts)
        for place in np.flatnonzero(ended)[::-1]:
            count -= 1
            if place != count:
                self.lanes.move(count, place, int(held[texts[count]]))
                texts[place] = texts[count]
        return texts[:count]


def own_text_of(run, per_step):
    """The OwnText of a `codestill.distill.training` run whose process learns `per_step` batches in a step."""
    options, models = run.options, [run.model, run.teacher.model]
    limits = [positions_of(model.config.get_text_config()) for model in models]
    limit = min((one for one in limits if one), default=None)
    tokenizer = load_tokenizer(run.job.tokenizer_path)
    # The teacher must be able to read what the student writes.
    writer = StudentWriter(run.model, tokenizer, run.teacher.embeddings, limit, options.on_policy_tokens, options.seed)
    an_epoch = math.ceil(len(run.train_data) / options.batch_size)
    return OwnText(writer, options.on_policy, options.on_policy_refresh, per_step, an_epoch, run.rank, run.processes)


class OwnText:
    """Which batches of a training the student writes, and what it wrote for those that are still to be learnt.

    share: lambda. per_step: batches that this process learns in a step; an_epoch: those of all in an epoch.
    """

    def __init__(self, writer, share, refresh, per_step, an_epoch, rank=0, processes=1):
        self.writer, self.share, self.refresh = writer, share, refresh
        self.per_step, self.an_epoch = per_step, an_epoch
        self.rank, self.processes = rank, processes
        self.texts = {}  # by the number of the batch: [[prompt's ids, new ids], ...]
        self.told = {"batches": 0, "tokens": 0, "corpus_targets": 0, "seconds": 0.0}
        self._iterator, self._ahead = None, deque()

    def written_by_student(self, number):
        """Whether the student writes the batch of this number, counted over the steps and processes of the training."""
        return math.floor((number + 1) * self.share) > math.floor(number * self.share)

    def number(self, step, place):
        """The number of this process' batch at `place` of a step, or of those behind it in the step's epoch.

        The last step of an epoch may have fewer batches than the others.
        """
        epoch, step = divmod(step, math.ceil(self.an_epoch / (self.per_step * self.processes)))
        return epoch * self.an_epoch + (step * self.per_step + place) * self.processes + self.rank

    def batches(self, iterator, count, step, steps):
        """The next `count` batches of the corpus' iterator, those of the student's share in its own text.

        step: optimiser steps done, of `steps` in all. Text is written where it lacks, up to the next multiple of
        `refresh` or the end of the iterator's epoch.
        """
        if iterator is not self._iterator:
            self._iterator, self._ahead = iterator, deque()
        mine = [self.number(step, place) for place in range(count)]
        lacks = any(self.written_by_student(number) and number not in self.texts for number in mine)
        self._fetch(self._until(step, steps) * self.per_step if lacks else count)
        if lacks:
            self._write(step)
        taken = [self._ahead.popleft() for _ in range(min(count, len(self._ahead)))]
        return [self._in_place_of(batch, number) for batch, number in zip(taken, mine, strict=False)]

    def _until(self, step, steps):
        """Steps for which to write."""
        return min((step // self.refresh + 1) * self.refresh, steps) - step

    def _fetch(self, count):
        while len(self._ahead) < count:
            try:
                self._ahead.append(next(self._iterator))
            except StopIteration:
                return

    def _write(self, step):
        """Write all that the batches fetched ahead need."""
        begun, prompts = time.monotonic(), {}
        for place, batch in enumerate(self._ahead):
            number = self.number(step, place)
            if self.written_by_student(number) and number not in self.texts:
                found = prompts_of(batch, self.writer.pieces, self.writer.led)
                prompts |= {f"{number}/{index}": ids for index, ids in enumerate(found)}
                self.texts[number] = []
        for name, new in self.writer.write(prompts).items():
            if new:
                self.texts[int(name.partition("/")[0])].append([prompts[name], new])
        self.told["seconds"] += time.monotonic() - begun

    def _in_place_of(self, batch, number):
        """The student's own text in place of a batch of the corpus, or that batch where the student writes none."""
        texts = self.texts.pop(number, None)
        if not texts:
            return batch
        self.told["batches"] += 1
        rows = [
            {
                "input_ids": np.array([*prompt, *new]),
                "position_ids": np.arange(len(prompt) + len(new)),
                "labels": np.array([*[IGNORE] * len(prompt), *new]),
                "example": 0,
            }
            for prompt, new in texts
        ]
        return collate(rows, batch["input_ids"].device) | {"example": batch["example"], "own": True}

    def count(self, labelled, targets):
        """Take note of a step of all processes: `targets` in all, `labelled` of them the corpus'."""
        self.told["corpus_targets"] += labelled
        self.told["tokens"] += targets - labelled

    def state(self):
        """What a checkpoint must keep, as plain data."""
        return {"texts": self.texts, "told": self.told}

    def restore(self, state):
        """Go on from what a checkpoint kept."""
        self.texts, self.told = {int(number): texts for number, texts in state["texts"].items()}, state["told"]
