"""Prompts with responses: columns of published data sets, what is learnt of a conversation, and what is refused."""

import json

import numpy
import pytest

from codestill.data.encoding import TextEncoder
from codestill.data.instruct import Chat, record
from codestill.data.prepared import prepare_corpus
from codestill.data.sources import load
from codestill.data.text import read_texts
from codestill.data.token_sets import tokenize_splits
from codestill.data.tokens import IGNORE, load_tokens
from codestill.kit.program import UserError
from codestill.models import chat
from codestill.sampling.prompts import read_tasks
from codestill.sampling.settings import Settings
from codestill.study.sections.corpus import Source, Split, Tokens
from small_models import make_tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TALK = [
    {"role": "user", "content": "Add a and b."},
    {"role": "assistant", "content": "def add(a, b):\n    return a + b"},
    {"role": "user", "content": "Now é."},
    {"role": "assistant", "content": "def é(a):\n    return a"},
]


def tokenizer_with(template):
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("row", "prompt", "response"),
    [
        ({"input": "Q", "output": "A", "unit_tests": "[]"}, "Q", "A"),
        ({"problem": "Q", "solution": "A", "lang": "python"}, "Q", "A"),
        ({"instruction": "Q", "input": "", "output": "A"}, "Q", "A"),
        ({"instruction": "Q", "input": "of this", "output": "A"}, "Q\n\nof this", "A"),
        ({"instruction": "Q", "response": "A"}, "Q", "A"),
        ({"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}, "Q", "A"),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}, "Q", "A"),
        ({"conversations": [{"from": "Human", "value": "Q"}, {"from": "chatgpt", "value": "A"}]}, "Q", "A"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Q"}]},
                    {"role": "assistant", "content": [{"type": "text", "text": "A"}]},
                ]
            },
            "Q",
            "A",
        ),
    ],
)
def test_published_columns_are_known(row, prompt, response):
    found = record(row, {}, "here:1")
    assert [one["content"] for one in found["messages"]] == [prompt, response]
    assert [one["role"] for one in found["messages"]] == ["user", "assistant"]
    assert (found["docstring"], found["code"], found["format"]) == (prompt, response, "instruct")


@pytest.mark.parametrize(
    "row",
    [
        {"system": "Be terse.", "instruction": "Q", "output": "A"},
        {"system_prompt": "Be terse.", "messages": TALK[:2]},
        {"messages": [{"role": "developer", "content": "Be terse."}, *TALK[:2]], "system": "unheard"},
    ],
)
def test_what_a_system_column_says_leads(row):
    """Else the response would be learnt as one to another prompt."""
    found = record(row, {}, "here:1")
    assert [one["role"] for one in found["messages"]] == ["system", "user", "assistant"]
    assert found["messages"][0]["content"] == "Be terse." and found["docstring"] == found["messages"][1]["content"]


def test_columns_can_be_mapped_and_what_is_missing_is_named():
    assert record({"frage": "Q", "antwort": "A"}, {"prompt": "frage", "response": "antwort"}, "x")["code"] == "A"
    with pytest.raises(UserError, match=r"here:1: no columns of prompt and response; .* of code"):
        record({"code": "x"}, {}, "here:1")
    with pytest.raises(UserError, match="here:1: a turn needs role"):
        record({"messages": [{"role": "tool", "content": "x"}]}, {}, "here:1")


@pytest.mark.parametrize("template", [CHATML, MARKED])
def test_what_the_assistant_says_is_learnt_with_the_token_that_ends_it(template):
    """Against the tokenizer's own assistant mask, which the marked template gives."""
    tokenizer = tokenizer_with(template)
    ids, learnt, sizes = chat.encode(tokenizer, TALK)
    own = tokenizer_with(MARKED).apply_chat_template(TALK, return_dict=True, return_assistant_tokens_mask=True)
    assert own["input_ids"] == ids.tolist() and own["assistant_masks"] == learnt.astype(int).tolist()
    assert tokenizer.decode(ids[learnt]) == f"{TALK[1]['content']}<|im_end|>{TALK[3]['content']}<|im_end|>"
    assert sizes[learnt].sum() == sum(len(TALK[number]["content"].encode()) for number in (1, 3))


def test_without_a_template_the_response_follows_the_prompt():
    tokenizer = make_tokenizer()
    ids, learnt, _ = chat.encode(tokenizer, TALK[:2])
    assert tokenizer.decode(ids[learnt]) == TALK[1]["content"] + "</s>"
    assert tokenizer.decode(ids) == f"{TALK[0]['content']}\n\n{TALK[1]['content']}</s>"


def test_a_template_that_hides_where_an_answer_begins_is_refused():
    tokenizer = tokenizer_with("{{ messages[-1]['content'] }}{% if add_generation_prompt %}>{% endif %}")
    with pytest.raises(UserError, match="does not show where an answer begins"):
        chat.encode(tokenizer, TALK[:2])
    with pytest.raises(UserError, match="refuses a conversation"):
        chat.encode(tokenizer_with("{{ raise_exception('no system') }}"), TALK[:2])


def test_rows_become_token_sets(tmp_path):
    """From a file to labels: a whole split's targets are the responses, and every byte is accounted for."""
    rows = [{"input": f"Add {n}.", "output": f"```python\ndef add(a):\n    return a + {n}\n```"} for n in range(200)]
    rows += [{"input": "", "output": "x"}, {"input": "No answer.", "output": " "}, rows[0]]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(kind="files", path=str(file), format="instruct")
    own = tmp_path / "own.jsonl"
    own.write_text("".join(json.dumps({**row, "source": "own"}) + "\n" for row in load(source, {})))
    paths = {split: tmp_path / f"{split}.jsonl" for split in ("train", "validation", "test")}
    account = prepare_corpus([str(own)], [], paths, tmp_path / "a.json", Split(seed=1))
    lost = {reason: count for reason, count in account["dropped"].items() if count}
    assert lost == {"without_prompt": 1, "without_code": 1, "duplicate": 1}
    texts = list(read_texts(paths["train"]))
    assert all(isinstance(text, Chat) for text in texts) and texts[0].startswith("Add ")
    tokenizer = tokenizer_with(CHATML)
    tokenizer.save_pretrained(tmp_path / "model")
    accounts = tokenize_splits(
        tmp_path / "model", [paths["train"]], [tmp_path / "train"], tmp_path / "acc.json", Tokens(max_seq_length=256)
    )
    tokens = load_tokens(tmp_path / "train")
    found = sorted(
        tokenizer.decode([label for label in run if label != IGNORE])
        for row in tokens
        for run in numpy.split(numpy.array(row["labels"]), numpy.flatnonzero(numpy.array(row["position_ids"]) == 0)[1:])
    )
    assert found == sorted(text.messages[1]["content"] + "<|im_end|>" for text in texts)
    assert accounts["splits"]["train"]["bytes"] == sum(len(text.messages[1]["content"].encode()) for text in texts)


def test_a_prompt_that_fills_the_row_is_left_out_and_said():
    tokenizer = tokenizer_with(CHATML)
    long = Chat([{"role": "user", "content": "why? " * 200}, TALK[1]])
    found = TextEncoder(tokenizer, 64).encode([long, Chat(TALK[:2])])
    assert found.silent == [0] and len(found) == 1 and found.learnt.any()


def test_unlike_templates_are_refused(tmp_path):
    teacher, student = tokenizer_with(CHATML), tokenizer_with(MARKED)
    assert chat.differ(teacher, student) and not chat.differ(teacher, make_tokenizer())
    student.save_pretrained(tmp_path / "student")
    (tmp_path / "v.json").write_text(json.dumps({"chat_templates_differ": True}))
    record_of = record({"input": "Q", "output": "A"}, {}, "x")
    (tmp_path / "train.jsonl").write_text(json.dumps(record_of) + "\n")
    with pytest.raises(UserError, match="chat templates of their own, which differ"):
        tokenize_splits(
            tmp_path / "student", [tmp_path / "train.jsonl"], [tmp_path / "train"], tmp_path / "a.json",
            Tokens(max_seq_length=64), tmp_path / "v.json",
        )  # fmt: skip


def test_a_benchmarks_prompt_is_asked_for_in_chat():
    tokenizer = tokenizer_with(CHATML)
    settings = Settings(format="chat", max_new_tokens=7)
    (task,) = read_tasks([{"task_id": "a", "prompt": "def f():\n"}], tokenizer, None, settings, "here")
    text = tokenizer.decode(task.ids)
    assert text.startswith("<|im_start|>user\nComplete this Python function.") and "```python\ndef f():\n```" in text
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n") and settings.stops == [] and Settings().stops
