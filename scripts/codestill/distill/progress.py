"""How a training is going, in a log that is no terminal: a line a minute with losses, rate and time left."""

import time

from transformers import TrainerCallback

from codestill.kit import program
from codestill.kit.program import log

_SHOWN = {"loss": "loss", "loss_ce": "CE", "loss_kl": "T^2 KL", "eval_loss": "validation CE", "eval_loss_kl": "KL"}


class ProgressLines(TrainerCallback):
    """Tells the latest losses once a minute and with each validation. `targets`: target tokens of one step, about."""

    def __init__(self, targets):
        self.targets, self._seen, self._said, self._first = targets, {}, 0.0, None

    def on_train_begin(self, args, state, control, **_):
        """Time left is reckoned from here: a resumed run has steps behind it that took no time of this one."""
        self._said, self._first = time.monotonic(), (state.global_step, time.monotonic())

    def on_log(self, args, state, control, logs=None, **_):
        """Take in what was logged."""
        self._seen |= {name: logs[name] for name in _SHOWN if name in (logs or {})}
        if "eval_loss" in (logs or {}) or time.monotonic() - self._said > program.SAY_EVERY:
            self._say(state)

    def on_step_end(self, args, state, control, **_):
        """Where losses are logged more rarely than once a minute, tell at least how far it is."""
        if time.monotonic() - self._said > program.SAY_EVERY:
            self._say(state)

    def _say(self, state):
        if not state.is_world_process_zero or self._first is None:
            return
        self._said = time.monotonic()
        done, seconds = state.global_step - self._first[0], self._said - self._first[1]
        losses = ", ".join(f"{_SHOWN[name]} {value:.4f}" for name, value in self._seen.items())
        rate = done / seconds if seconds > 0 else 0.0
        left = f"{(state.max_steps - state.global_step) / rate:,.0f} s left" if rate else "no step yet"
        log(f"step {state.global_step} of {state.max_steps}: {losses}; {rate * self.targets:,.0f} tokens/s, {left}")
