"""A fixed number of lanes through a causal language model: every lane holds one sample and its own length.

The keys and values of all lanes live in buffers allocated once. A prompt is run once, alone. Its samples then share
its keys and values (`shared`), or each lane gets a copy. A lane whose sample ended takes the next one at once, so
that the batch stays full. Works on any causal model of transformers whose layers are plain attention: its own
forward is called; only the cache, and in `shared` the attention of one token, are ours.
"""

import contextlib
import inspect

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from codestill.models.heads import split
from codestill.sampling.shared_prefix_attention import NAME, Group, Groups, Unshareable

ROUND = 16  # the attended length is rounded up to this, so that its shape changes seldom
TOGETHER = 16  # prompts in one pass of `prefill_together`: neighbours in length, so that little of it is padding


class Unsupported(Exception):
    """The model keeps a state that lanes cannot hold (sliding windows, recurrent layers, positions of its own)."""


def agree(found, wanted, dtype):
    """Whether two tensors of logits of a model in `dtype` are the same but for rounding."""
    seen = torch.isfinite(wanted)
    bound = 1e-3 if dtype == torch.float32 else 0.1
    return torch.allclose(found[seen], wanted[seen], rtol=bound, atol=bound)


class LaneLayer(DynamicLayer):
    """Keys and values of one layer, [lanes, heads, capacity, width]; `place` says where this step's are written."""

    def __init__(self, lanes, capacity, keys, values, place):
        super().__init__()
        # Zeros: what is not yet written is masked, but 0 x NaN would still be NaN.
        self.keys = keys.new_zeros(lanes, keys.shape[1], capacity, keys.shape[3])
        self.values = values.new_zeros(lanes, values.shape[1], capacity, values.shape[3])
        self.place = place
        self.is_initialized = True
        self.dtype, self.device = keys.dtype, keys.device

    def update(self, key_states, value_states, *args, **kwargs):
        place = self.place
        self.keys[place.rows, :, place.positions] = key_states[:, :, 0]
        self.values[place.rows, :, place.positions] = value_states[:, :, 0]
        return self.keys[: place.count, :, : place.reach], self.values[: place.count, :, : place.reach]


class _Place:
    """Where the current step writes: the rows, their positions in the buffers, and how far any of them reaches."""

    rows = positions = None
    count = reach = 0


class Prompt:
    """A prompt that has been run: its length, its keys and values by layer, and the logits that follow it."""

    def __init__(self, length, states, logits):
        self.length, self.states, self.logits = length, states, logits


class Lanes:
    """Lanes over `model`. columns: how many logits may be drawn (the tokenizer's ids), but for the `banned` ones."""

    def __init__(self, model, columns, banned=(), shared=False):
        self.model, self.columns, self.shared = model, columns, shared
        self.device = next(model.parameters()).device
        self.banned = torch.tensor(list(banned), dtype=torch.long, device=self.device)
        named = inspect.signature(model.forward).parameters
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in named else {}
        self.place = _Place()
        self.lanes = self.capacity = 0
        self.cache = self.groups = None

    def allocate(self, lanes, capacity):
        """Make room for `lanes` samples of `capacity` tokens each: new ones, and the prompt's unless it is shared."""
        self.cache = None
        probe = self.prefill([0])
        self.cache = Cache(
            layers=[LaneLayer(lanes, capacity, keys, values, self.place) for keys, values in probe.states]
        )
        self.lanes, self.capacity = lanes, capacity
        self.held = [None] * lanes
        self.starts = np.zeros(lanes, np.int64)
        self.groups = None
        self.ranks = torch.arange(max(capacity, lanes), device=self.device)

    def _logits(self, output):
        return self._drawable(output.logits[:, -1, : self.columns].float())

    def _drawable(self, logits):
        """Logits [B, columns] without the banned columns."""
        if len(self.banned):
            logits = logits.index_fill(-1, self.banned, -torch.inf)
        return logits

    def _forward(self, ids, cache, length):
        """The model's own pass over `ids` behind what `cache` holds, `length` tokens in all."""
        tokens = torch.tensor([ids], dtype=torch.long, device=self.device)
        mask = torch.ones(1, length, dtype=torch.long, device=self.device)
        return self.model(
            input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **self.last_only
        )

    def prefill(self, ids):
        """Run one prompt (list of ids) alone and return it as a `Prompt`."""
        cache = DynamicCache(config=self.model.config)
        output = self._forward(ids, cache, len(ids))
        states = [(layer.keys, layer.values) for layer in cache.layers]
        if not states or any(keys is None or keys.ndim != 4 for keys, _ in states):
            raise Unsupported("its cache is not one of keys and values")
        if any(keys.shape[2] != len(ids) for keys, _ in states):
            raise Unsupported("a layer does not keep every position")
        return Prompt(len(ids), states, self._logits(output)[0])

    def prefill_together(self, prompts):
        """Run prompts (lists of ids, best in order of length) in few passes, into the first lanes, not shared.

        Returns the logits that follow each, float32 [prompts, columns]. They are those of the prompt alone but for
        rounding, which depends on its neighbours.
        """
        found = []
        for first in range(0, len(prompts), TOGETHER):
            part = prompts[first : first + TOGETHER]
            lengths = torch.tensor([len(ids) for ids in part])
            tokens = torch.zeros(len(part), int(lengths.max()), dtype=torch.long)
            for row, ids in enumerate(part):
                tokens[row, : len(ids)] = torch.tensor(ids)
            # No mask: a token does not see what is padded behind it.
            positions = self.ranks[: tokens.shape[1]].expand_as(tokens)
            body, head = split(self.model, check=False)
            cache = DynamicCache(config=self.model.config)
            states = body(
                input_ids=tokens.to(self.device), position_ids=positions, past_key_values=cache, use_cache=True
            ).last_hidden_state
            for lane, layer in zip(self.cache.layers, cache.layers, strict=True):
                lane.keys[first : first + len(part), :, : tokens.shape[1]] = layer.keys
                lane.values[first : first + len(part), :, : tokens.shape[1]] = layer.values
            found.append(head.logits(states[self.ranks[: len(part)], (lengths - 1).to(self.device)])[:, : self.columns])
        self.starts[: len(prompts)] = 0
        return self._drawable(torch.cat(found))

    def admit(self, lane, prompt):
        """Give `lane` to a sample of `prompt`."""
        self.held[lane] = prompt
        self.groups = None
        if self.shared:
            self.starts[lane] = prompt.length
            return
        for layer, (keys, values) in zip(self.cache.layers, prompt.states, strict=True):
            layer.keys[lane, :, : prompt.length] = keys[0]
            layer.values[lane, :, : prompt.length] = values[0]

    def move(self, source, target, length):
        """Move the sample in lane `source`, `length` tokens long with its prompt, to lane `target`."""
        own = length - int(self.starts[source])
        for layer in self.cache.layers:
            layer.keys[target, :, :own] = layer.keys[source, :, :own]
            layer.values[target, :, :own] = layer.values[source, :, :own]
        self.held[target], self.starts[target] = self.held[source], self.starts[source]
        self.groups = None

    def step(self, tokens, positions):
        """One token further. tokens, positions: int64 arrays [B] of the first B lanes; returns float32 [B, columns].

        positions count from the prompt's first token.
        """
        count = len(tokens)
        inputs = self._inputs(tokens, positions)
        with self._attention(count):
            return self._logits(self.model(**inputs))

    def _inputs(self, tokens, positions):
        """The arguments of one pass over the first lanes."""
        place, count = self.place, len(tokens)
        place.count, own = count, positions - self.starts[:count]
        place.reach = min(self.capacity, -(-(int(own.max()) + 1) // ROUND) * ROUND)
        place.rows = self.ranks[:count]
        place.positions = torch.from_numpy(own).to(self.device)
        later = self.ranks[None, : place.reach] > place.positions[:, None]
        dtype = self.cache.layers[0].keys.dtype
        mask = torch.zeros(later.shape, dtype=dtype, device=self.device)
        mask.masked_fill_(later, torch.finfo(dtype).min)
        return {
            "input_ids": torch.from_numpy(tokens).to(self.device)[:, None],
            "position_ids": torch.from_numpy(positions).to(self.device)[:, None],
            "attention_mask": mask[:, None, None, :],
            "past_key_values": self.cache,
            "use_cache": True,
            **self.last_only,
        }

    @contextlib.contextmanager
    def _attention(self, count):
        """The attention of shared prompts during a step; everything else runs with the model's own."""
        if not self.shared:
            yield
            return
        if self.groups is None or self.groups[0] != count:
            rows = {}
            for lane, prompt in enumerate(self.held[:count]):
                rows.setdefault(id(prompt), (prompt, []))[1].append(lane)
            self.groups = count, [Group(lanes, prompt, self.device) for prompt, lanes in rows.values()]
        Groups.current = self.groups[1]
        Groups.longest = max(group.length for group in Groups.current)
        config = self.model.config.get_text_config(decoder=True)
        usual = config._attn_implementation
        config._attn_implementation = NAME
        try:
            yield
        finally:
            config._attn_implementation = usual
            Groups.current = ()

    def alone(self, prompt, ids):
        """Logits [columns] after `prompt` and the new `ids`, in shapes that depend on these alone."""
        if not ids:
            return prompt.logits
        cache = DynamicCache()
        for number, (keys, values) in enumerate(prompt.states):
            cache.update(keys, values, number)
        return self._logits(self._forward(ids, cache, prompt.length + len(ids)))[0]

    @torch.inference_mode()
    def trial(self, together=False):
        """Step two lanes of unlike length and compare with the model alone. Raises Unsupported where they differ.

        Where only the shared attention does not serve the model, lanes get copies of their prompts instead.
        together: their prompts are run by `prefill_together`.
        """
        try:
            self._trial(together)
        except Unsupported:
            if not self.shared:
                raise
            self.shared = False
            self._trial(together)

    def _trial(self, together):
        if any(type(layer) is not DynamicLayer for layer in DynamicCache(config=self.model.config).layers):
            raise Unsupported("some of its layers do not attend to all that came before")
        self.allocate(2, 32)
        # Unlike tokens: where all values are alike, attention to the wrong ones goes unseen.
        ids = [(1 + 7 * number) % self.columns for number in range(8)]
        token, prompts = ids[7], [self.prefill(ids[:length]) for length in (3, 7)]
        for lane, prompt in enumerate(prompts):
            self.admit(lane, prompt)
        if together and not agree(
            self.prefill_together([ids[:3], ids[:7]]),
            torch.stack([prompt.logits for prompt in prompts]),
            self.model.dtype,
        ):
            raise Unsupported("prompts run together differ from the model's own")
        try:
            batched = self.step(np.array([token, token]), np.array([3, 7]))
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, Unshareable) as error:
            raise Unsupported(f"its forward pass refuses lanes ({error})") from error
        finally:
            self.lanes = 0
        lone = torch.stack([self.alone(prompt, [token]) for prompt in prompts])
        if not agree(batched, lone, self.model.dtype):
            raise Unsupported("a step of two lanes differs from the model's own")
