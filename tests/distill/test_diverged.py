"""A training whose best model is no gain stops, in a class of its own."""

from types import SimpleNamespace

import pytest

import children
import tiny_models as tiny
from codestill.distill.diverged import refuse_diverged
from codestill.kit import attempts
from codestill.kit.program import UserError


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    tiny.model_folder(root / "model", width=16, seed=1)
    tiny.token_set(root / "tokens/train", 24, seed=1)
    tiny.token_set(root / "tokens/validation", 8, seed=2)
    return root


def teach(home, name, **changes):
    values = {
        "model_path": home / "model",
        "train_data": home / "tokens/train",
        "output_dir": home / name,
        "threads": 1,
    }
    values |= {"num_train_epochs": 2, "learning_rate": 30.0, "device": "cpu", "warmup_steps": 0} | changes
    words = [word for flag, value in values.items() for word in (f"--{flag}", value)]
    log = home / f"{name}.log"
    return children.run("teach", words, log), log.read_text()


def test_a_training_that_only_got_worse_stops_and_writes_nothing(home):
    code, log = teach(home, "wild")
    assert code == 2 and "diverged: the best validation CE" in log and "a lower learning rate than 30" in log
    assert "underfitting" not in log and not (home / "wild" / "model.safetensors").exists()


def test_it_is_kept_where_that_is_asked_for_and_a_sound_one_says_nothing(home):
    code, log = teach(home, "kept", preflight="warn")
    assert code == 0 and "warning: diverged" in log and (home / "kept" / "model.safetensors").exists()
    code, log = teach(home, "sound", learning_rate=0.01, num_train_epochs=3)
    assert code == 0 and "diverged" not in log
    assert not list((home / "sound").rglob("untrained.json"))


@pytest.mark.parametrize(
    ("untrained", "best", "what"),
    [(5.98, 5.98, "before training"), (9.0, 4.7, "of a uniform guess"), (5.98, float("nan"), "before training")],
)
def test_what_counts_as_no_gain(untrained, best, what):
    options = SimpleNamespace(learning_rate=1e-3, preflight="stop")
    run = SimpleNamespace(untrained=untrained, head=SimpleNamespace(columns=100), options=options, steps=9)
    if untrained < 6:
        run.head.columns = 1000
    with pytest.raises(UserError, match=what) as refusal:
        refuse_diverged(run, best, 3)
    assert refusal.value.cause == attempts.DIVERGED
    refuse_diverged(run, 3.0, 3)
