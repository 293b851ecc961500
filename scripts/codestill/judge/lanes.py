"""A fixed number of lanes through a causal language model: every lane holds one sample and its own length.

The keys and values of all lanes live in buffers allocated once. A prompt is run once, alone, and copied into the
lanes of its samples; a lane whose sample ended takes the next one at once, so that the batch stays full. Works on
any causal model of transformers whose layers are plain attention (its own forward is called; only the cache is ours).
"""

import inspect

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

ROUND = 16  # the attended length is rounded up to this, so that its shape changes seldom


class Unsupported(Exception):
    """The model keeps a state that lanes cannot hold (sliding windows, recurrent layers, positions of its own)."""


class LaneLayer(DynamicLayer):
    """Keys and values of one layer, [lanes, heads, capacity, width]; `place` says where this step's are written."""

    def __init__(self, lanes, capacity, like, place):
        super().__init__()
        shape = (lanes, like.shape[1], capacity)
        # Zeros: what is not yet written is masked, but 0 x NaN would still be NaN.
        self.keys = like.new_zeros(*shape, like.shape[3])
        self.values = None
        self.place = place
        self.is_initialized = True
        self.dtype, self.device = like.dtype, like.device

    def update(self, key_states, value_states, *args, **kwargs):
        place = self.place
        self.keys[place.rows, :, place.positions] = key_states[:, :, 0]
        self.values[place.rows, :, place.positions] = value_states[:, :, 0]
        return self.keys[: place.count, :, : place.reach], self.values[: place.count, :, : place.reach]


class _Place:
    """Where the current step writes: the rows, their positions, and how far any of them reaches."""

    rows = positions = None
    count = reach = 0


class Prompt:
    """A prompt that has been run: its length, its keys and values by layer, and the logits that follow it."""

    def __init__(self, length, states, logits):
        self.length, self.states, self.logits = length, states, logits


class Lanes:
    """Lanes over `model`. lanes, capacity: int; columns: how many logits may be drawn (the tokenizer's ids)."""

    def __init__(self, model, columns, banned=()):
        self.model, self.columns = model, columns
        self.device = next(model.parameters()).device
        self.banned = torch.tensor(list(banned), dtype=torch.long, device=self.device)
        named = inspect.signature(model.forward).parameters
        self.last_only = {"logits_to_keep": 1} if "logits_to_keep" in named else {}
        self.place = _Place()
        self.cache = None
        self.lanes = self.capacity = 0

    def allocate(self, lanes, capacity):
        """Make room for `lanes` samples of up to `capacity` tokens each, prompt included."""
        self.cache = None
        probe = self.prefill([0])
        layers = []
        for keys, values in probe.states:
            layer = LaneLayer(lanes, capacity, keys, self.place)
            layer.values = values.new_zeros(lanes, values.shape[1], capacity, values.shape[3])
            layers.append(layer)
        self.cache = Cache(layers=layers)
        self.lanes, self.capacity = lanes, capacity
        self.columns_of = torch.arange(capacity, device=self.device)

    def _logits(self, output):
        logits = output.logits[:, -1, : self.columns].float()
        if len(self.banned):
            logits = logits.index_fill(-1, self.banned, -torch.inf)
        return logits

    def prefill(self, ids):
        """Run one prompt (list of ids) alone and return it as a `Prompt`."""
        tokens = torch.tensor([ids], dtype=torch.long, device=self.device)
        cache = DynamicCache()
        output = self.model(input_ids=tokens, past_key_values=cache, use_cache=True, **self.last_only)
        states = [(layer.keys, layer.values) for layer in cache.layers]
        if not states or any(keys is None or keys.ndim != 4 for keys, _ in states):
            raise Unsupported("its cache is not one of keys and values")
        if any(keys.shape[2] != len(ids) for keys, _ in states):
            raise Unsupported("a layer does not keep every position")
        return Prompt(len(ids), states, self._logits(output)[0])

    def admit(self, lane, prompt):
        """Give `lane` to a sample of `prompt`."""
        for layer, (keys, values) in zip(self.cache.layers, prompt.states, strict=True):
            layer.keys[lane, :, : prompt.length] = keys[0]
            layer.values[lane, :, : prompt.length] = values[0]

    def move(self, source, target, length):
        """Move the sample in lane `source`, `length` tokens long, to lane `target`."""
        for layer in self.cache.layers:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def step(self, tokens, positions):
        """One token further. tokens, positions: int64 arrays [B] of the first B lanes; returns float32 [B, columns]."""
        place = self.place
        place.count = len(tokens)
        place.reach = min(self.capacity, -(-(int(positions.max()) + 1) // ROUND) * ROUND)
        place.rows = torch.arange(place.count, device=self.device)
        place.positions = torch.from_numpy(positions).to(self.device)
        later = self.columns_of[None, : place.reach] > place.positions[:, None]
        dtype = self.cache.layers[0].keys.dtype
        mask = torch.zeros(later.shape, dtype=dtype, device=self.device)
        mask.masked_fill_(later, torch.finfo(dtype).min)
        output = self.model(
            input_ids=torch.from_numpy(tokens).to(self.device)[:, None],
            position_ids=place.positions[:, None],
            attention_mask=mask[:, None, None, :],
            past_key_values=self.cache,
            use_cache=True,
            **self.last_only,
        )
        return self._logits(output)

    def alone(self, prompt, ids):
        """Logits [columns] after `prompt` and the new `ids`, in shapes that depend on these alone."""
        if not ids:
            return prompt.logits
        cache = DynamicCache()
        for number, (keys, values) in enumerate(prompt.states):
            cache.update(keys, values, number)
        tokens = torch.tensor([ids], dtype=torch.long, device=self.device)
        output = self.model(input_ids=tokens, past_key_values=cache, use_cache=True, **self.last_only)
        return self._logits(output)[0]

    def trial(self, token):
        """Step two lanes of unlike length and compare with the model alone. Raises Unsupported where they differ."""
        self.allocate(2, 32)
        prompts = [self.prefill([token] * length) for length in (3, 7)]
        for lane, prompt in enumerate(prompts):
            self.admit(lane, prompt)
        try:
            batched = self.step(np.array([token, token]), np.array([3, 7]))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise Unsupported(f"its forward pass refuses lanes ({error})") from error
        finally:
            self.lanes = 0
        lone = torch.stack([self.alone(prompt, [token]) for prompt in prompts])
        seen = torch.isfinite(lone)
        bound = 1e-3 if batched.dtype == self.model.dtype else 0.1
        if not torch.allclose(batched[seen], lone[seen], rtol=bound, atol=bound):
            raise Unsupported("a step of two lanes differs from the model's own")
