"""The student's own text: which of it, written by whom, what is learnt from it, and interruption at any point."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from trainings import STEPS, alike, distill, flags, killed_and_resumed, losses, together, weights

import children
import small_models
import tiny_models as tiny
from codestill.data.batches import IGNORE, collate
from codestill.data.encoding import TextEncoder
from codestill.distill.objective import Objective
from codestill.distill.on_policy import OwnText, StudentWriter, prompt_length, prompts_of
from codestill.distill.teacher import OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.files import read_json
from codestill.kit.program import UserError
from codestill.models.token_bytes import text_pieces
from codestill.sampling.truncation import gumbel, row_key, step_words

FUNCTION = 'def add(a, b):\n    """Return the sum of a and b."""\n    return a + b\n'
BARE = "def add(a, b):\n    return a + b\n"


def test_the_prompt_of_a_function_is_its_signature_and_docstring_whatever_its_tokens():
    tokenizer = small_models.make_tokenizer()
    pieces = text_pieces(tokenizer, len(tokenizer))
    for text, head in ((FUNCTION, FUNCTION.partition("\n    return")[0]), (BARE, "def add(a, b):")):
        functions = TextEncoder(tokenizer, 200).encode([text.rstrip()])
        ids, labels = functions.ids, np.where(functions.learnt, functions.ids, IGNORE)
        length = prompt_length(ids, labels, pieces)
        said = b"".join(pieces[index] for index in ids[:length]).decode()
        assert head.startswith(said) and len(said) > len(head) - 8  # a token across the end is left to the student
        assert len(said + pieces[ids[length]].decode()) > len(head)
    half = tokenizer.backend_tokenizer.encode("a = 1 + b").ids
    assert prompt_length(np.array(half), np.array(half), pieces) == (len(half) + 1) // 2
    asked = np.array([IGNORE] * 5 + half[5:])
    assert prompt_length(np.array(half), asked, pieces) == 5  # a conversation's question
    assert prompt_length(np.array(half), np.full(len(half), IGNORE), pieces) == 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_start_tokens_are_no_conversations_question(count):
    """They lead the prompt of a function, which is its signature and docstring behind them."""
    tokenizer = small_models.make_tokenizer()
    bare = text_pieces(tokenizer, len(tokenizer))
    plain = TextEncoder(tokenizer, 200).encode([FUNCTION.rstrip()])
    alone = np.where(plain.learnt, plain.ids, IGNORE)
    single = " ".join([*("<s>", "<pad>")[:count], "$A"])
    special = [("<s>", 0), ("<pad>", 1)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=single, special_tokens=special)
    functions = TextEncoder(tokenizer, 200).encode([FUNCTION.rstrip()])
    labels = np.where(functions.learnt, functions.ids, IGNORE)
    writer = StudentWriter(small_models.make_model("gpt2", len(tokenizer)), tokenizer, len(tokenizer), 96, 4, seed=1)
    assert writer.led == count and (labels == IGNORE).sum() == max(count, 1)
    batch = collate([row_of(functions.ids, labels)])
    (prompt,) = prompts_of(batch, writer.pieces, writer.led)
    assert prompt == [*range(count), *plain.ids[: prompt_length(plain.ids, alone, bare)]]
    question = np.where(np.arange(len(labels)) < count + 4, IGNORE, labels)
    assert prompt_length(functions.ids, question, writer.pieces, writer.led) == count + 4


def row_of(ids, labels):
    return {"input_ids": ids, "position_ids": np.arange(len(ids)), "labels": labels, "example": 0}


def test_each_function_of_a_packed_row_is_prompted_and_filling_is_not():
    batch = collate([{**row, "example": 0} for row in tiny.rows(3, seed=1)])
    pieces = [b"x"] * tiny.VOCABULARY
    expected = []
    for row in tiny.rows(3, seed=1):
        starts = [place for place, position in enumerate(row["position_ids"]) if position == 0]
        for start, stop in zip(starts, [*starts[1:], len(row["input_ids"])], strict=True):
            expected.append(row["input_ids"][start : start + (stop - start + 1) // 2])
    assert prompts_of(batch, pieces) == expected


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 2 / 3, 1.0])
def test_the_share_is_exact_and_the_same_however_many_processes_share_it(share):
    one = OwnText(None, share, 1, per_step=4, an_epoch=12)
    chosen = [one.written_by_student(number) for number in range(1200)]
    assert abs(sum(chosen) - 1200 * share) < 1
    assert all(abs(sum(chosen[start : start + 60]) - 60 * share) <= 1 for start in range(1140))
    two = [OwnText(None, share, 1, per_step=2, an_epoch=10, rank=rank, processes=2) for rank in (0, 1)]
    one = OwnText(None, share, 1, per_step=4, an_epoch=10)
    for step, count in enumerate([4, 4, 2, 4, 4, 2]):
        numbers = sorted(own.number(step, place) for own in two for place in range(count // 2))
        assert numbers == [one.number(step, place) for place in range(count)]


@pytest.mark.parametrize(("an_epoch", "a_step", "share"), [(2, 4, 0.25), (5, 4, 0.75), (10, 8, 0.125), (7, 2, 0.5)])
@pytest.mark.parametrize("refresh", [1, 3])
def test_the_share_is_exact_where_the_last_step_of_an_epoch_is_short(an_epoch, a_step, share, refresh):
    corpus = [collate([{**tiny.rows(1, seed=number)[0], "example": number}]) for number in range(an_epoch)]
    writer, epochs = writer_of(tiny.model(seed=4), tokens=2), 8
    own, steps, found = OwnText(writer, share, refresh, a_step, an_epoch), -(-an_epoch // a_step), []
    for epoch in range(epochs):
        iterator = iter(corpus)
        for step in range(steps):
            count = min(a_step, an_epoch - step * a_step)
            found += own.batches(iterator, count, epoch * steps + step, epochs * steps)
    assert len(found) == epochs * an_epoch
    assert sum("own" in batch for batch in found) == int(epochs * an_epoch * share)


def writer_of(model, tokens=7, columns=tiny.VOCABULARY):
    return StudentWriter(model, tiny.tokenizer(), columns, 64, tokens, seed=5)


def by_hand(model, name, ids, tokens, columns):
    """What a student writes behind `ids`: the whole text run anew for each token, the noise added to its logits."""
    ids, new = list(ids), []
    key = np.array([row_key(5, name, 0)], np.uint64)
    while len(new) < tokens and 0 not in new and len(ids) < 64:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1, :columns]
        words = torch.from_numpy(step_words(key, np.array([len(new)])))
        new.append(int((logits + gumbel(words, torch.arange(columns)[None])[0]).argmax()))
        ids.append(new[-1])
    return new


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_text_is_the_students_own_as_it_is_at_that_moment(kind):
    model = tiny.model(kind, seed=4)
    writer, prompts = writer_of(model), {f"{number}/0": list(range(3, 5 + 2 * number)) for number in range(1, 25)}
    prompts["29/0"], prompts["30/0"] = list(range(1, 62)), list(range(1, 65))  # 3 positions are left, and none
    for _ in range(2):
        written = writer.write(prompts)
        assert written == {name: by_hand(model, name, ids, 7, tiny.VOCABULARY) for name, ids in prompts.items()}
        assert len(written["29/0"]) <= 3 and written["30/0"] == []
        assert {len(new) for new in written.values()} > {0, 7}  # some ended, whose lanes others took
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    assert written != writer.write(prompts)


def test_a_trainers_forward_and_mode_are_given_back_and_unknown_tokens_are_never_drawn():
    model = tiny.model(seed=4).train()
    writer = writer_of(model, columns=20)
    model.forward = lambda **_: pytest.fail("the training's forward pass was run")
    replaced = model.forward
    written = writer.write({f"{number}/0": [1, 2, 3] for number in range(40)})
    assert model.training and model.forward is replaced
    assert max(max(new) for new in written.values()) < 20


def own_batch(model, rows=3):
    own = OwnText(writer_of(model), 1.0, 1, per_step=1, an_epoch=1)
    batch = collate([{**row, "example": number} for number, row in enumerate(tiny.rows(rows, seed=1))])
    return own.batches(iter([batch]), 1, 0, 1)[0], batch


@pytest.mark.parametrize("name", ["forward_kl", "reverse_kl", "jsd"])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_own_text_is_learnt_by_the_divergence_alone_at_its_weight(name, alpha):
    """Value and gradient against full logits of each text alone in float64, by the textbook's formula and autograd."""
    student, teacher = tiny.model(seed=4), tiny.model(width=32, seed=6)
    batch, _ = own_batch(student)
    objective = Objective(2.0, alpha, name, beta=0.3)
    count = 37
    loss, ce, soft, _ = student_forward(
        student, batch, count, objective, OnlineTeacher(teacher, tiny.VOCABULARY), torch.float32
    )
    loss.backward()
    found = {name: parameter.grad.double() for name, parameter in student.named_parameters()}
    student.zero_grad()
    student.double(), teacher.double()
    total = 0.0
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        new = (labels != IGNORE).nonzero()[:, 0]
        ids = ids[: new[-1] + 1]
        places = slice(int(new[0]) - 1, int(new[-1]))
        q = (student(input_ids=ids[None]).logits[0, places] / 2.0).log_softmax(-1)
        with torch.no_grad():
            p = (teacher(input_ids=ids[None]).logits[0, places] / 2.0).log_softmax(-1)
        m = (0.3 * p.exp() + 0.7 * q.exp()).log()
        forms = {
            "forward_kl": p.exp() * (p - q),
            "reverse_kl": q.exp() * (q - p),
            "jsd": 0.3 * p.exp() * (p - m) + 0.7 * q.exp() * (q - m),
        }
        total = total + forms[name].sum() * 4.0
    (total * (1 - alpha) / count).backward()
    assert ce == 0 and soft.item() == pytest.approx(total.item(), rel=1e-5)
    assert loss.item() == pytest.approx((1 - alpha) * total.item() / count, rel=1e-5)
    for name, parameter in student.named_parameters():
        assert (found[name] - parameter.grad).norm() <= 2e-5 * parameter.grad.norm(), name


def test_a_batch_is_of_one_origin_and_its_targets_are_what_was_written():
    model = tiny.model(seed=4)
    batch, corpus = own_batch(model)
    prompts = prompts_of(corpus, [b"x"] * tiny.VOCABULARY)
    assert batch["own"] and len(batch["input_ids"]) == len(prompts)
    for place, prompt in enumerate(prompts):
        new = by_hand(model, f"0/{place}", prompt, 7, tiny.VOCABULARY)
        row = [batch[name][place].tolist() for name in ("input_ids", "labels", "position_ids")]
        size = len(prompt) + len(new)
        assert row[0][:size] == [*prompt, *new] and row[1][:size] == [IGNORE] * len(prompt) + new
        assert row[2][:size] == list(range(size)) and set(row[1][size:]) <= {IGNORE}


@pytest.fixture(scope="module")
def mixed(home):
    """A cell half of whose batches are its own text, three steps written at once; its teacher is stored and run."""
    return distill(home, home / "mixed", **MIXED)


MIXED = {"teacher_pass": "cache", "on_policy": 0.5, "on_policy_tokens": 6, "on_policy_refresh": 3}


def test_what_was_learnt_of_which_text_is_told(mixed):
    told = read_json(mixed / "train_results.json")
    assert told["own_text"]["batches"] == STEPS and 0 < told["own_text"]["seconds"] < told["train_runtime"]
    assert told["train_cpu_seconds"] > 0
    corpus = told["targets"] - told["own_text"]["tokens"]
    assert STEPS * 6 * 6 < corpus < STEPS * 6 * 24 and told["own_text"]["tokens"] > STEPS * 12
    history = read_json(mixed / "trainer_state.json")["log_history"]
    assert min(row["loss_ce"] for row in history if "loss_ce" in row) > 0
    facts = read_json(mixed / "provenance.json")
    assert facts["cell"]["on_policy"] == 0.5 and facts["facts"]["on_policy_refresh"] == 3


def test_what_it_writes_changes_with_share_and_refresh_and_not_without_own_text(home, mixed):
    one = distill(home, home / "each_step", **MIXED | {"on_policy_refresh": 1})
    assert len({weights(one), weights(mixed)}) == 2
    none = distill(home, home / "none", teacher_pass="cache", on_policy=0.0, on_policy_tokens=9)
    assert weights(none) == weights(distill(home, home / "plain_cell", teacher_pass="cache"))


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_points_own_text_is_written_bit_for_bit_again(home, mixed, tmp_path, seed):
    killed_and_resumed(flags(home, tmp_path / "cell", save_steps=2, **MIXED), tmp_path / "cell", seed)
    assert weights(tmp_path / "cell") == weights(mixed)
    found, expected = (read_json(folder / "train_results.json") for folder in (tmp_path / "cell", mixed))
    assert found["targets"] == expected["targets"] and found["attempts"] > 1


def test_an_adapter_learns_a_recipes_text_and_its_students_own_alike_when_killed(home, tmp_path):
    """All three in one cell: rows of another text than the corpus, own text on them, and a low-rank adapter."""
    tiny.token_set(home / "tokens/of_the_teacher", 120, seed=9)
    both = {"on_policy": 0.5, "on_policy_tokens": 6, "on_policy_refresh": 3, "adapter": json.dumps({"rank": 4})}
    both |= {"train_data": home / "tokens/of_the_teacher", "validation_data": home / "tokens/validation"}
    whole = distill(home, tmp_path / "whole", **both)
    killed_and_resumed(flags(home, tmp_path / "cell", save_steps=2, **both), tmp_path / "cell", 4)
    assert weights(tmp_path / "cell") == weights(whole)
    told = read_json(whole / "train_results.json")
    assert told["own_text"]["batches"] == STEPS
    other = distill(home, tmp_path / "other", **both | {"train_data": home / "tokens/train"})
    assert weights(other) != weights(whole)  # the text is learnt


def test_two_processes_share_the_prompts(home, tmp_path):
    uneven = {"dropout": 0.0, "max_train_samples": 111, "on_policy": 0.5, "on_policy_tokens": 6}
    one = distill(home, home / "one_process", **uneven)
    together(flags(home, tmp_path / "two", **uneven), tmp_path)
    alike(tmp_path / "two", one, tolerance=1e-4)
    found, expected = (read_json(folder / "train_results.json") for folder in (tmp_path / "two", one))
    assert found["targets"] == expected["targets"]


def test_all_text_of_its_own_has_no_labels(home):
    whole = distill(home, home / "whole_own", on_policy=1.0, on_policy_tokens=4, preflight="warn", evaluations=1)
    results = read_json(whole / "train_results.json")
    assert results["train_loss_ce"] is None and results["targets"] == results["own_text"]["tokens"]
    assert losses(whole)[0][3] > losses(whole)[STEPS - 1][3]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"on_policy": 1.5}, "--on_policy: must be less than or equal to 1, not 1.5"),
        ({"on_policy": -0.1}, "--on_policy: must be greater than or equal to 0, not -0.1"),
        ({"on_policy": 0.5, "alpha": 1}, "--on_policy 0.5: own text has no labels"),
        ({"on_policy": 0.5, "on_policy_tokens": 0}, "--on_policy_tokens: must be greater than 0, not 0"),
    ],
)
def test_shares_that_make_no_sense_are_one_line(home, tmp_path, changes, said):
    assert children.run("distill", flags(home, tmp_path / "cell", **changes), tmp_path / "log") == 2
    text = Path(tmp_path / "log").read_text().strip()
    assert text.startswith("error: ") and said in text and "\n" not in text, json.dumps(text)


def test_a_student_that_lanes_cannot_hold_is_refused_in_one_line():
    tokenizer = small_models.make_tokenizer()
    model = small_models.make_model("mistral", len(tokenizer))
    with pytest.raises(UserError, match=r"--on_policy: the student cannot be sampled in lanes \(some of its layers"):
        StudentWriter(model, tokenizer, len(tokenizer), 64, 7, seed=5)
