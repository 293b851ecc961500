"""Language measures against the plain definitions, function by function, without packing or chunks."""

import math

import datasets
import pytest
import torch
from transformers import AutoModelForCausalLM

from codestill.kit.program import UserError
from codestill.measure import bits_per_byte, function_parts
from small_models import EXTRA, make_folder, make_model, make_tokenizer

FUNCTIONS = [
    'def add(a, b):\n    """Sum."""\n    return a + b\n',
    "def f(x):\n\n    return x\n",
    "class Box:\n    pass\n    \n# é\n",
    "def g():\n    pass",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two rows of two packed functions each, one padded; a student and a teacher that differ."""
    place = tmp_path_factory.mktemp("language")
    tokenizer = make_tokenizer()
    ids = [[*tokenizer(text)["input_ids"], 2] for text in FUNCTIONS]
    rows = {"input_ids": [], "position_ids": [], "labels": [], "bytes": []}
    for pair in ((0, 1), (3, 2)):
        parts = [ids[number] for number in pair]
        padding = [1] * 3 if pair == (0, 1) else []
        rows["input_ids"].append([token for part in parts for token in part] + padding)
        rows["position_ids"].append([p for part in parts for p in range(len(part))] + [0] * len(padding))
        rows["labels"].append([token for part in parts for token in (-100, *part[1:])] + [-100] * len(padding))
        rows["bytes"].append(sum(len(tokenizer.decode(part[1:-1]).encode()) for part in parts))
    datasets.Dataset.from_dict(rows).save_to_disk(place / "tokens")
    make_folder(place / "student", seed=0, sharp=2.0)
    make_folder(place / "teacher", seed=1, sharp=2.0)
    return place, ids, sum(rows["bytes"])


def plain(place, name, ids):
    """Logits of each function alone, and its targets."""
    model = AutoModelForCausalLM.from_pretrained(place / name).eval()
    with torch.no_grad():
        logits = [model(torch.tensor([part])).logits[0, :-1].double() for part in ids]
    return logits, [torch.tensor(part[1:]) for part in ids]


def test_measures_equal_their_definitions(made, monkeypatch):
    place, ids, size = made
    monkeypatch.setattr(bits_per_byte, "chunk_rows", lambda columns: 5)
    found = bits_per_byte.measure_folder(
        str(place / "student"), str(place / "teacher"), str(place / "tokens"), device="cpu"
    )
    logits, targets = plain(place, "student", ids)
    taught, _ = plain(place, "teacher", ids)
    count = sum(map(len, targets))
    log_q, log_p, target = torch.cat(logits).log_softmax(-1), torch.cat(taught).log_softmax(-1), torch.cat(targets)
    ce = -log_q.gather(-1, target[:, None]).mean().item()
    assert found["tokens"] == count and found["bytes"] == size
    assert found["ce"] == pytest.approx(ce, rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(ce * count / math.log(2) / size, rel=1e-5)
    assert found["kl"] == pytest.approx((log_p.exp() * (log_p - log_q)).sum(-1).mean().item(), rel=1e-4)
    assert found["agreement"] == pytest.approx((log_p.argmax(-1) == log_q.argmax(-1)).double().mean().item())
    sure = log_q.softmax(-1).max(-1).values
    hits = (log_q.argmax(-1) == target).double()
    bins = [(sure >= low / 15) & (sure < (low + 1) / 15) for low in range(15)]
    gaps = [abs(float((sure[one] - hits[one]).sum())) for one in bins]
    assert found["ece"] == pytest.approx(sum(gaps) / count, abs=1e-6)
    assert found["accuracy"] == pytest.approx((log_q.argmax(-1) == target).double().mean().item())


def test_exact_lines_are_what_greedy_decoding_writes(made):
    """A model that knows part of the corpus by heart, line by line, against `generate` from each line's true prefix."""
    place, ids, _ = made
    tokenizer = make_tokenizer()
    model = make_model("gpt2", len(tokenizer) + EXTRA, seed=5)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for step in range(90):
        part = torch.tensor([ids[step % 3]])
        model(part, labels=part).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    model.save_pretrained(place / "learnt")
    tokenizer.save_pretrained(place / "learnt")
    found = bits_per_byte.measure_folder(str(place / "learnt"), None, str(place / "tokens"), device="cpu")
    lines = exact = 0
    for part in ids:
        start = 1
        while start < len(part):
            stop = start + 1
            while stop < len(part) and "\n" not in tokenizer.decode([part[stop - 1]]):
                stop += 1
            if tokenizer.decode(part[start:stop], skip_special_tokens=True).strip():
                prefix = torch.tensor([part[:start]])
                written = model.generate(
                    prefix, attention_mask=torch.ones_like(prefix), do_sample=False, max_new_tokens=stop - start,
                    pad_token_id=1, eos_token_id=None,
                )[0, start:].tolist()  # fmt: skip
                lines += 1
                exact += written == part[start:stop]
            start = stop
    assert found["lines"] == lines and found["kl"] is None
    assert 0 < exact < lines
    assert found["exact_lines"] == pytest.approx(exact / lines)


def test_a_teacher_of_itself_has_no_distance(made, tmp_path):
    place, _, _ = made
    itself = bits_per_byte.measure_folder(
        str(place / "teacher"), str(place / "teacher"), str(place / "tokens"), device="cpu"
    )
    assert itself["kl"] is None and itself["agreement"] is None
    make_folder(tmp_path / "copy", seed=1, sharp=2.0)
    config = tmp_path / "copy" / "model.safetensors"
    assert config.read_bytes() == (place / "teacher" / "model.safetensors").read_bytes()
    copied = bits_per_byte.measure_folder(
        str(tmp_path / "copy"), str(place / "teacher"), str(place / "tokens"), device="cpu"
    )
    assert copied["kl"] is None


def test_a_larger_teacher_is_cut_to_the_students_columns(made, tmp_path):
    place, _, _ = made
    tokenizer = make_tokenizer()
    teacher = make_model("gpt2", len(tokenizer) + EXTRA, seed=1, sharp=2.0)
    larger = make_model("gpt2", len(tokenizer) + EXTRA + 40, seed=2, sharp=2.0)
    state = teacher.state_dict()
    for name, weight in larger.state_dict().items():
        weight[: state[name].shape[0]] = state[name]
    larger.save_pretrained(tmp_path / "larger")
    parts = [str(place / "student"), str(tmp_path / "larger"), str(place / "tokens")]
    cut = bits_per_byte.measure_folder(*parts, device="cpu")
    usual = bits_per_byte.measure_folder(parts[0], str(place / "teacher"), parts[2], device="cpu")
    assert cut["kl"] == pytest.approx(usual["kl"], rel=1e-5) and cut["agreement"] == usual["agreement"]


def test_batches_change_nothing_and_rows_can_be_limited(made):
    place, _, _ = made
    parts = [str(place / "student"), str(place / "teacher"), str(place / "tokens")]
    one, two = (bits_per_byte.measure_folder(*parts, batch_size=size, device="cpu") for size in (1, 2))
    assert {**one["functions"], **one["parts"]}.keys() == {**two["functions"], **two["parts"]}.keys()
    for mine, its in ((one, two), *((one["parts"][part], two["parts"][part]) for part in one["parts"])):
        numbers = {name: value for name, value in mine.items() if isinstance(value, (int, float))}
        assert numbers == pytest.approx({name: its[name] for name in numbers}, rel=1e-6)
    assert bits_per_byte.measure_folder(*parts, device="cpu", max_rows=1)["tokens"] < one["tokens"]


def test_bad_token_sets_are_named(made, tmp_path):
    place, _, _ = made
    with pytest.raises(UserError, match="no tokens there"):
        bits_per_byte.measure_folder(str(place / "student"), None, str(tmp_path / "absent"), device="cpu")
    row = {"input_ids": [[1, 9999]], "position_ids": [[0, 1]], "labels": [[-100, 9999]], "bytes": [3]}
    datasets.Dataset.from_dict(row).save_to_disk(tmp_path / "beyond")
    with pytest.raises(UserError, match="9999 is beyond"):
        bits_per_byte.measure_folder(str(place / "student"), None, str(tmp_path / "beyond"), device="cpu")
    del row["bytes"]
    datasets.Dataset.from_dict(row).save_to_disk(tmp_path / "no_bytes")
    with pytest.raises(UserError, match="column 'bytes' is missing"):
        bits_per_byte.measure_folder(str(place / "student"), None, str(tmp_path / "no_bytes"), device="cpu")


def test_parts_add_up_and_the_body_begins_behind_the_docstring(made):
    place, ids, size = made
    found = bits_per_byte.measure_folder(str(place / "student"), None, str(place / "tokens"), device="cpu")
    functions, tokenizer = found["functions"], make_tokenizer()
    order = [ids[number] for number in (0, 1, 3, 2)]
    for number, (part, start) in enumerate(
        zip(order, ("\n    return a", "\n\n    return x", "\n    pass", None), strict=True)
    ):
        text = tokenizer.decode(part[:-1])
        # A text without a function is all body; its first token is no target.
        body = len(text) - (text.index(start) if start else len(tokenizer.decode(part[:1])))
        assert functions["body_bytes"][number] == pytest.approx(len(text[len(text) - body :].encode()))
        assert functions["body_tokens"][number] + functions["head_tokens"][number] == len(part) - 1
    parts = found["parts"]
    assert parts["head"]["ce"] != parts["body"]["ce"]
    bits = sum(parts[one]["bits_per_byte"] * sum(functions[f"{one}_bytes"]) for one in ("head", "body"))
    assert bits == pytest.approx(found["bits_per_byte"] * size, rel=1e-5)
    low, high = found["intervals"]["bits_per_byte"]
    assert 0 < low < found["bits_per_byte"] < high
    assert found["bodies_exact"] == 0 and found["intervals"]["bodies_exact"][1] > 0.5  # none of four


@pytest.mark.parametrize(("text", "body"), [
    ('def f(a: dict = {1: 2}):\n    """It\'s."""\n    return a', "\n    return a"),
    ("async def f(a,\n  b): return a", " return a"),
    ("@cache\ndef f(x):  # note\n    # more\n    return 1", "  # note\n    # more\n    return 1"),
    ('def f():\n    """Cut in the mid', '\n    """Cut in the mid'),
    ("def f(a, b", None),
    ("x = 1", None),
])  # fmt: skip
def test_where_a_body_begins(text, body):
    start = function_parts.body_start(text)
    assert (None if start is None else text[start:]) == body


def test_sources_are_told_apart(made, tmp_path):
    place, ids, _ = made
    tokens = datasets.load_from_disk(str(place / "tokens"))
    tokens.add_column("sources", [["one", "two"], ["one", "one"]]).save_to_disk(tmp_path / "tokens")
    found = bits_per_byte.measure_folder(str(place / "student"), None, str(tmp_path / "tokens"), device="cpu")
    logits, targets = plain(place, "student", ids)
    ce = -logits[1].log_softmax(-1).gather(-1, targets[1][:, None]).mean().item()
    assert found["sources"]["two"]["ce"] == pytest.approx(ce, rel=1e-5)
    assert found["functions"]["source"] == ["one", "two", "one", "one"]
