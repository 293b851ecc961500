"""The audit tells a teacher that knows layout from one that never saw it."""

import json
import math

import pytest
import torch

import children
from codestill.data.text import function_text
from codestill.kit.files import read_json
from codestill.measure import audit
from codestill.models.tokenizers import load_tokenizer, train_tokenizer

NAMES = ["total", "count", "value", "result", "items", "price", "weight", "speed", "colour", "length"]


def functions(count):
    """Functions that differ in their names and docstrings only, so that a tiny model learns their layout."""
    body = "    for item in items:\n        if item:\n            total += item\n    return total"
    pairs = [(NAMES[number % 10], NAMES[(number * 7 + 3) % 10]) for number in range(count)]
    return [f'def {a}_{b}(items, total):\n    """The {a} of {b}."""\n{body}' for a, b in pairs]


def taught(folder, texts, steps=60):
    """A tiny model fine-tuned on the texts, saved with a byte-level tokenizer of code."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = train_tokenizer(functions(50), 300)
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 48, "n_positions": 160, "vocab_size": len(tokenizer)}
    end = tokenizer.eos_token_id
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", bos_token_id=end, eos_token_id=end, **shape))
    ids = [torch.tensor([*tokenizer(text, add_special_tokens=False)["input_ids"], end]) for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        batch = [ids[(8 * step + number) % len(ids)] for number in range(8)]
        labels = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=-100)
        model(input_ids=labels.clamp(min=0), labels=labels, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    root = tmp_path_factory.mktemp("teachers")
    texts = functions(40)
    with open(root / "validation.jsonl", "w") as handle:
        for text in functions(60)[40:]:
            handle.write(json.dumps({"code": text, "docstring": ""}) + "\n")
    taught(root / "sound", texts)
    taught(root / "flat", [audit.collapsed(text) for text in texts])
    return root


def run(root, name, *flags):
    log = root / f"{name}.log"
    command = ["--model", root / name, "--functions", root / "validation.jsonl", "--output", root / f"{name}.json"]
    command += ["--threads", 1, "--samples", 4, "--max_new_tokens", 64, "--device", "cpu", *flags]
    return children.run("audit", command, log), log.read_text(), read_json(root / f"{name}.json")


def test_a_teacher_that_knows_layout_passes(teachers):
    code, text, figures = run(teachers, "sound")
    assert code == 0 and figures["passed"], text
    bits = figures["bits_per_byte"]
    assert bits["raw"] < figures["xz"] and bits["raw"] < bits["reindented"]
    assert figures["greedy"] == {"rate": 1.0, "samples": 4}


def test_a_teacher_of_erased_layout_is_stopped_unless_overridden(teachers):
    code, text, figures = run(teachers, "flat")
    assert code == 2 and "it has not learned layout" in text
    assert not figures["passed"] and figures["bits_per_byte"]["raw"] > figures["bits_per_byte"]["collapsed"] + 0.1
    code, text, _ = run(teachers, "flat", "--audit", "warn")
    assert code == 0 and "it has not learned layout" in text


def test_bits_per_byte_equal_a_direct_computation(teachers):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(teachers / "sound").eval()
    tokenizer = load_tokenizer(teachers / "sound")
    texts = [*functions(3), "x = 'naïve ½'"]
    nats = size = 0
    for text in texts:
        ids = torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])[None]
        with torch.no_grad():
            nats += model(ids, labels=ids, use_cache=False).loss.item() * (ids.shape[1] - 1)
        size += len(text.encode()) - len(tokenizer.decode(ids[0, :1]).encode())
    found, found_size = audit.bits_per_byte(model, tokenizer, texts, 160, "cpu", batch_size=3)
    assert found_size == size
    assert found == pytest.approx(nats / math.log(2) / size, rel=1e-5)
    cut, cut_size = audit.bits_per_byte(model, tokenizer, texts, 10, "cpu")
    assert cut_size < size and cut != found


def test_layouts():
    text = function_text({"code": "def f(x):\n    if x:\n        return 1\n\treturn 2", "docstring": ""})
    assert audit.collapsed(text) == "def f(x): if x: return 1 return 2"
    assert audit.reindented("def f(x):\n    if x:\n        return 1") == "def f(x):\n  if x:\n    return 1"
    assert audit.reindented("if x:\n\treturn 1") == "if x:\n    return 1"


def test_prompts_and_ends():
    text = functions(1)[0]
    prompt = audit.prompt_of(text)
    assert prompt.endswith('."""') and text.startswith(prompt)
    assert audit.prompt_of("def f():\n    return 1") is None and audit.prompt_of("def f(:") is None
    assert audit.first_function(prompt + "\n    return 1\n\n\nprint(2)\n", prompt) == prompt + "\n    return 1\n\n"
    assert audit.parses("def f(): pass") and not audit.parses("def f(:") and not audit.parses("a\0")


@pytest.mark.parametrize(
    ("raw", "collapsed", "xz", "said"),
    [
        (0.50, 0.45, 0.80, []),
        (0.59, 0.50, 0.80, []),
        (0.61, 0.50, 0.80, ["has not learned layout"]),  # a tenth of a bit is the margin
        (0.80, 0.79, 0.80, ["not below"]),
        (1.50, 0.50, 0.80, ["not below", "has not learned layout"]),
    ],
)
def test_the_judgement_s_margins(raw, collapsed, xz, said):
    wrong = audit.judgement({"bits_per_byte": {"raw": raw, "collapsed": collapsed}, "xz": xz})
    assert len(wrong) == len(said) and all(words in line for words, line in zip(said, wrong, strict=True))
