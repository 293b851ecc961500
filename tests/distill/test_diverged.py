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
    ("untrained", "best", "learnt", "what"),
    [
        (5.98, 5.98, 5.99, "before training"),
        (5.98, 2117.0, 2000.0, "before training"),
        (5.98, 7.5, 1.0, "before training"),  # worse than a uniform guess, whatever was learnt by heart
        (9.0, 4.7, 1.0, "of a uniform guess"),
        (5.98, float("nan"), 1.0, "before training"),
        (5.98, 7.5, None, "before training"),  # of its own text alone, and worse than a uniform guess
    ],
)
def test_what_counts_as_no_gain(untrained, best, learnt, what):
    options = SimpleNamespace(learning_rate=1e-3, preflight="stop")
    run = SimpleNamespace(untrained=untrained, head=SimpleNamespace(columns=100), options=options, steps=9)
    if untrained < 6:
        run.head.columns = 1000
    with pytest.raises(UserError, match=what) as refusal:
        refuse_diverged(run, best, 3, learnt)
    assert refusal.value.cause == attempts.DIVERGED
    refuse_diverged(run, 3.0, 3, learnt)


def test_a_student_of_its_own_text_alone_is_told_and_kept(capsys):
    """It never saw the text that validation is of: only worse than a uniform guess is it lost."""
    options = SimpleNamespace(learning_rate=1e-3, preflight="stop")
    run = SimpleNamespace(untrained=3.0, head=SimpleNamespace(columns=1000), options=options, steps=9)
    refuse_diverged(run, 3.2, 3, None)
    told = "".join(capsys.readouterr())
    assert "leads away from the corpus" in told and "3.200 at step 3 of 9, is not below the 3.000" in told
    with pytest.raises(UserError, match="diverged"):
        refuse_diverged(run, 3.2, 3, 3.1)  # what it learnt from did not get better either


def test_a_strong_start_that_learns_few_rows_by_heart_overfits_and_is_kept(home):
    """Taught on other rows first, then on three alone: validation gets worse while the training loss falls."""
    tiny.token_set(home / "tokens/few", 3, seed=5)
    validation = {"validation_data": home / "tokens/validation"}
    code, log = teach(home, "strong", learning_rate=0.01, num_train_epochs=12, **validation)
    assert code == 0, log
    few = {"train_data": home / "tokens/few", "num_train_epochs": 20, "learning_rate": 0.003}
    code, log = teach(home, "by_heart", model_path=home / "strong", tokenizer_path=home / "strong", **few, **validation)
    assert code == 0 and "warning: overfits: the best validation CE" in log and "diverged" not in log, log
    assert (home / "by_heart" / "model.safetensors").exists()
