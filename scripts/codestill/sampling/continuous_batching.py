"""The sampling loop: keeps the lanes full, draws a token for each, and lets finished samples go.

Exactness. In float32 a draw is taken from the batch's logits only where it would come out the same if each logit
moved by `slack`; every other draw is decided on logits that depend on the sample's own tokens alone (batch of one,
the prompt's keys and values, fixed shapes). As long as batched and lone logits differ by less than `slack`, samples
do not depend on batch size, order, sharding or resumption. That difference is measured while sampling (each lone
decision, and audits besides) and `slack` stays 8 times above the largest one seen.
"""

import random
from collections import deque

import numpy as np
import torch

from codestill.sampling.kv_cache import Unsupported
from codestill.sampling.stop_rules import GrowingText
from codestill.sampling.truncation import choose, row_key, step_words

FACTOR = 8  # slack over the largest difference seen
CAUTIOUS = 2e-3  # slack until the first audits have been seen
FLOOR = 2e-5  # least slack after them: rounding of the draw itself (cumulative masses, noise)
HOPELESS = 0.05  # a difference in float32 that rounding cannot explain: the model is not served rightly
AUDIT_EVERY = 256  # steps between two audits of one row
FIRST_AUDITS = 16  # steps at the start of a run whose first row is audited


class Sample:
    """One completion being written."""

    __slots__ = ("finish", "index", "key", "task", "text")

    def __init__(self, task, index, key, rules):
        self.task, self.index, self.key = task, index, key
        self.text = GrowingText(rules)
        self.finish = None


class Slack:
    """How far batched and lone logits may differ, learnt from what was seen."""

    def __init__(self, exact, temperature):
        self.exact = exact
        # Gumbel noise of 32 bits lies within [-3.2, 23]: a token further behind than this is never drawn.
        self.matters = 30 * max(temperature, 0.1)
        self.worst = 0.0
        self.value = CAUTIOUS if exact else 0.0
        self.compared = self.decided_alone = self.exceeded = 0

    def compare(self, batched, lone):
        """Take note of the difference of two rows of logits [V]. Raises Unsupported where it is no rounding."""
        keep = lone > lone.max() - self.matters
        shift = (batched - lone)[keep]
        # A shift common to all logits changes no probability.
        difference = float(shift.max() - shift.min()) / 2
        if not difference < HOPELESS:
            raise Unsupported(f"batched logits differ by {difference:.3g} from those of the sample alone")
        self.compared += 1
        self.exceeded += difference > self.value
        self.worst = max(self.worst, difference)
        floor = FLOOR if self.compared >= FIRST_AUDITS else CAUTIOUS
        self.value = max(floor, FACTOR * self.worst)


class Decoder:
    """Draws samples of tasks with `engine` (Lanes) under `rules` (StopRules).

    settings: temperature, top_p, seed. ends: ids of end tokens. exact: whether unsure draws are decided on lone logits
    (float32 only).
    """

    def __init__(self, engine, rules, settings, ends, exact):
        self.engine, self.rules, self.settings, self.ends = engine, rules, settings, frozenset(ends)
        self.slack = Slack(exact, settings.temperature)
        self.exact = exact
        self.audits = random.Random(0)
        self.steps = 0
        self.tokens = 0

    def run(self, pairs, finished):
        """Sample all `pairs` of (Task, index), in this order as lanes come free; `finished(sample)` gets each."""
        self.queue = deque(pairs)
        self.prompts = {}
        self.rows = []
        self._refill(finished)
        while self.rows:
            self._step(finished)
            self._refill(finished)

    def _start(self, task, index):
        return Sample(task, index, row_key(self.settings.seed, task.name, index), self.rules)

    def _prompt(self, task):
        if task.name not in self.prompts:
            busy = {row.task.name for row in self.rows}
            self.prompts = {name: prompt for name, prompt in self.prompts.items() if name in busy}
            self.prompts[task.name] = self.engine.prefill(task.ids)
        return self.prompts[task.name]

    def _refill(self, finished):
        """Fill free lanes. The first token follows from the prompt's logits and needs no step."""
        while self.queue and len(self.rows) < self.engine.lanes:
            group = self._next_group()
            task = group[0].task
            if task.room == 0:
                for sample in group:
                    sample.finish = "length"
                    finished(sample)
                continue
            prompt = self._prompt(task)
            words = self._words(group)
            logits = prompt.logits[None].expand(len(group), -1)
            for sample, token in zip(group, self._choose(logits, words, 0.0)[0].tolist(), strict=True):
                if self._take(sample, token):
                    finished(sample)
                else:
                    self.engine.admit(len(self.rows), prompt)
                    self.rows.append(sample)

    def _next_group(self):
        """The next samples of one task, as many as there are free lanes."""
        free = self.engine.lanes - len(self.rows)
        task = self.queue[0][0]
        group = []
        while self.queue and len(group) < free and self.queue[0][0] is task:
            group.append(self._start(*self.queue.popleft()))
        return group

    def _words(self, rows):
        keys = np.fromiter((row.key for row in rows), np.uint64, len(rows))
        steps = np.fromiter((len(row.text.ids) for row in rows), np.uint64, len(rows))
        return torch.from_numpy(step_words(keys, steps)).to(self.engine.device)

    def _choose(self, logits, words, slack):
        return choose(logits, words, self.settings.temperature, self.settings.top_p, slack)

    def _take(self, sample, token):
        """Append a token; True where the sample is finished."""
        self.tokens += 1
        if token in self.ends:
            sample.finish = "end"
        elif sample.text.add(token):
            sample.finish = "stop"
        elif len(sample.text.ids) >= sample.task.room:
            sample.finish = "length"
        return sample.finish is not None

    def _step(self, finished):
        rows = self.rows
        tokens = np.fromiter((row.text.ids[-1] for row in rows), np.int64, len(rows))
        lengths = np.fromiter((len(row.task.ids) + len(row.text.ids) - 1 for row in rows), np.int64, len(rows))
        logits = self.engine.step(tokens, lengths)
        words = self._words(rows)
        chosen, sure = self._choose(logits, words, self.slack.value)
        chosen = chosen.tolist()
        if self.exact:
            self._decide(logits, words, chosen, sure.tolist())
        self.steps += 1
        for place, token in enumerate(chosen):
            self._take(rows[place], token)
        self._drop(lengths, finished)

    def _decide(self, logits, words, chosen, sure):
        """Settle unsure rows on their lone logits, and audit one row now and then."""
        alone = {place for place, certain in enumerate(sure) if not certain}
        self.slack.decided_alone += len(alone)
        if self.steps < FIRST_AUDITS:
            alone.add(0)
        elif self.steps % AUDIT_EVERY == 0:
            alone.add(self.audits.randrange(len(sure)))
        for place in sorted(alone):
            row = self.rows[place]
            lone = self.engine.alone(self.prompts[row.task.name], row.text.ids)
            self.slack.compare(logits[place], lone)
            chosen[place] = int(self._choose(lone[None], words[place : place + 1], 0.0)[0])

    def _drop(self, lengths, finished):
        """Hand over finished samples; the last lanes move into the gaps, unless a new sample can take them."""
        for place in range(len(self.rows) - 1, -1, -1):
            if self.rows[place].finish is None:
                continue
            finished(self.rows[place])
            last = len(self.rows) - 1
            if place != last:
                self.engine.move(last, place, int(lengths[last]) + 1)
                self.rows[place] = self.rows[last]
                lengths[place] = lengths[last]
            self.rows.pop()
