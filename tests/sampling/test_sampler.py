"""Samples: exact under any company, resumable, honest about what does not fit."""

import json

import pytest
import torch

from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError
from codestill.models.compression import Compression, compress
from codestill.sampling import continuous_batching, sampler
from codestill.sampling.engines import LanesEngine
from codestill.sampling.journal import gather
from codestill.sampling.kv_cache import Lanes
from codestill.sampling.prompts import Task
from codestill.sampling.sampler import LoadedModel
from codestill.sampling.settings import Settings
from codestill.study.flags import checked
from drawing import changed, draw, settings_for
from small_models import KINDS, POSITIONS, make_benchmark, make_folder, make_tokenizer, overflow


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_depend_on_company(kind, tmp_path, benchmark):
    folder = make_folder(tmp_path / kind, kind)
    settings = settings_for(folder, stop=("q", "x"))
    whole, facts = draw(settings, benchmark, tmp_path)
    assert facts["engine"] == "lanes" and facts["exactness"]["exceeded"] == 0
    assert len({row["finish"] for row in map(json.loads, whole.splitlines())}) > 1
    for batch in (1, 3, 64):
        assert draw(changed(settings, batch_size=batch), benchmark, tmp_path, f"b{batch}")[0] == whole
    parts = [draw(settings, benchmark, tmp_path, f"p{part}", f"{part}/3") for part in (3, 1, 2)]
    assert len({part for part, _ in parts}) == 3
    files = [[tmp_path / f"p{part}.{suffix}" for part in (3, 1, 2)] for suffix in ("jsonl", "json")]
    gather(benchmark, *files, tmp_path / "all.jsonl", tmp_path / "all.json")
    assert (tmp_path / "all.jsonl").read_bytes() == whole
    joined = json.loads((tmp_path / "all.json").read_text())
    assert joined["samples"] == 35 and joined["finish"] == facts["finish"] and joined["tokens"] == facts["tokens"]


def test_near_ties_are_decided_alone(tmp_path, benchmark):
    """Pairs of tokens whose logits differ by less than rounding: their order is the batch shape's whim."""

    def pair(model):
        head = model.get_output_embeddings().weight
        head[1::2] = head[::2] * (1 + 1e-7)

    settings = settings_for(make_folder(tmp_path / "ties", change=pair), temperature=0.0, max_new_tokens=8)
    whole, facts = draw(settings, benchmark, tmp_path, "a")
    assert facts["exactness"]["decided_alone"] > 50 and facts["exactness"]["exceeded"] == 0
    for batch in (1, 5):
        assert draw(changed(settings, batch_size=batch), benchmark, tmp_path, f"b{batch}")[0] == whole


def test_an_exceeded_slack_is_said_in_the_output(folder, benchmark, tmp_path, monkeypatch):
    settings = settings_for(folder, n=2)
    draw(settings, benchmark, tmp_path, "p1", "1/2")
    with monkeypatch.context() as patch:
        patch.setattr(continuous_batching, "CAUTIOUS", 1e-9)
        assert draw(settings, benchmark, tmp_path, "p2", "2/2")[1]["guarantee"].startswith("not exact")
    files = [[tmp_path / f"p{part}.{suffix}" for part in (1, 2)] for suffix in ("jsonl", "json")]
    gather(benchmark, *files, tmp_path / "all.jsonl", tmp_path / "all.json")
    joined = json.loads((tmp_path / "all.json").read_text())
    assert joined["guarantee"].startswith("not exact") and joined["exactness"]["exceeded"]


def test_another_seed_task_or_index_gives_another_sample(folder, benchmark, tmp_path):
    whole, _ = draw(settings_for(folder), benchmark, tmp_path, "a")
    other, _ = draw(settings_for(folder, seed=4), benchmark, tmp_path, "b")
    rows = [[row["completion"] for row in map(json.loads, text.splitlines())] for text in (whole, other)]
    assert len(set(rows[0])) > 30 and len(set(rows[0]) & set(rows[1])) < 5
    fewer, _ = draw(settings_for(folder, n=3), benchmark, tmp_path, "c")
    kept = [row for row in map(json.loads, whole.splitlines()) if row["sample"] < 3]
    assert [json.loads(line) for line in fewer.splitlines()] == kept


def test_a_prompt_is_read_as_training_text_is(tmp_path):
    """Text that looks like a special token is text, and no start token is put before it."""
    path = tmp_path / "bench.jsonl"
    path.write_text(json.dumps({"task_id": "T", "prompt": "a </s> b"}) + "\n")
    tokenizer = make_tokenizer()
    (task,) = sampler.read_tasks(read_jsonl(path), tokenizer, None, Settings(max_new_tokens=5), path)
    assert not set(task.ids) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(task.ids) == "a </s> b"


def test_prompts_without_room_are_reported_and_never_cut(folder, tmp_path):
    tokenizer = make_tokenizer()
    lengths = {"short": 4, "tight": POSITIONS - 5, "full": POSITIONS, "over": POSITIONS + 20}
    word = tokenizer.decode([tokenizer("q")["input_ids"][0]])
    rows = [{"task_id": name, "prompt": word * length} for name, length in lengths.items()]
    assert all(len(tokenizer(row["prompt"])["input_ids"]) == lengths[row["task_id"]] for row in rows)
    path = tmp_path / "bench.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text, facts = draw(settings_for(folder, n=6), path, tmp_path)
    assert facts["prompts_without_room"] == ["full", "over"]
    assert facts["prompts_with_less_room"] == {"tight": 5}
    found = list(map(json.loads, text.splitlines()))
    assert [row["task_id"] for row in found] == [name for name in lengths for _ in range(6)]
    assert all(row["completion"] == "" and row["finish"] == "length" for row in found[12:])
    assert sum(row["finish"] == "length" for row in found[6:12]) > 0
    assert facts["tokens"] <= 6 * 24 + 6 * 5


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_and_a_torn_line_is_repaired(folder, benchmark, tmp_path, monkeypatch):
    settings = settings_for(folder)
    whole, _ = draw(settings, benchmark, tmp_path, "whole")
    told = sampler._Teller.finished

    def dies(self, row):
        if self.bar.n == 12:
            raise Killed
        told(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(sampler, "KEEP_EVERY", -1.0)
        patch.setattr(sampler._Teller, "finished", dies)
        with pytest.raises(Killed):
            draw(settings, benchmark, tmp_path, "resumed")
    journal = tmp_path / "work" / "resumed" / "samples.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines)[:-40])
    drawn = []
    take = sampler._Teller.finished
    monkeypatch.setattr(sampler._Teller, "finished", lambda self, row: (drawn.append(row), take(self, row)))
    text, _ = draw(settings, benchmark, tmp_path, "resumed")
    assert text == whole
    assert 20 <= len(drawn) <= 24  # 35 samples, less some 12 that were kept
    assert not journal.exists()


def test_a_journal_of_other_weights_is_begun_anew(folder, benchmark, tmp_path):
    settings = settings_for(folder)
    work = tmp_path / "work" / "run"
    work.mkdir(parents=True)
    stale = {"task_id": "T/0", "completion": "stale", "sample": 0, "finish": "end", "tokens": 1}
    (work / "samples.jsonl").write_text(json.dumps({"drawn_from": "other"}) + "\n" + json.dumps(stale) + "\n")
    assert b"stale" not in draw(settings, benchmark, tmp_path)[0]


def test_out_of_memory_halves_the_batch_and_goes_on(folder, benchmark, tmp_path, monkeypatch):
    settings = settings_for(folder)
    whole, _ = draw(settings, benchmark, tmp_path, "whole")
    allocate = Lanes.allocate

    def bounded(self, lanes, capacity):
        if lanes > 9:
            torch.empty(2**50)  # the allocator's own error
        allocate(self, lanes, capacity)

    monkeypatch.setattr(Lanes, "allocate", bounded)
    text, facts = draw(settings, benchmark, tmp_path, "halved")
    assert text == whole
    assert facts["batch_size"] <= 9 and facts["halved"] >= 2


def test_memory_bounds_the_batch(folder):
    model = LoadedModel(settings_for(folder))
    task = Task("T", [5] * 60, 24)
    sizes = []
    for gib in (0.0012, 0.002, 4.0):
        settings = settings_for(folder, memory=gib)
        sizes.append(LanesEngine(model.model, model.tokenizer, (), settings, [task]).batch)
    assert 1 <= sizes[0] < sizes[1] < sizes[2] == 128
    with pytest.raises(UserError, match="--memory"):
        LanesEngine(model.model, model.tokenizer, (), settings_for(folder, memory=1e-5), [task])


@pytest.mark.parametrize("how", ["bf16", "int8"])
def test_low_precision_keeps_a_fixed_plan(folder, tmp_path, how):
    benchmark = make_benchmark(tmp_path / "bench.jsonl", 8)
    settings = settings_for(folder, n=4, batch_size=2, max_new_tokens=8)
    if how == "int8":
        # Its activations are rounded: a row's last bit, which its company moves, may move the logits by a step.
        few = Compression(folder, "int8", None, [{"input_ids": torch.arange(8)[None]}])
        compress("quantise", few, tmp_path / "few")
        settings = changed(settings, model_dir=str(tmp_path / "few"))
    else:
        settings = changed(settings, precision=how)
    whole, facts = draw(settings, benchmark, tmp_path, "whole")
    assert facts["guarantee"].startswith("repeatable")
    for part in (1, 2):
        draw(settings, benchmark, tmp_path, f"p{part}", f"{part}/2")
    names = [tmp_path / f"p{part}" for part in (1, 2)]
    files = [[f"{name}.{suffix}" for name in names] for suffix in ("jsonl", "json")]
    gather(benchmark, *files, tmp_path / "all.jsonl", tmp_path / "all.json")
    assert (tmp_path / "all.jsonl").read_bytes() == whole


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("engine", ["lanes", "transformers"])
def test_logits_that_overflow_name_the_model(engine, temperature, tmp_path, benchmark):
    folder = make_folder(tmp_path / "overflow", change=overflow)
    with pytest.raises(UserError, match=r"overflow: the model's logits hold NaN or infinity"):
        draw(settings_for(folder, engine=engine, temperature=temperature), benchmark, tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"task_id": "a"}], "task_id and prompt"),
        ([{"task_id": "a", "prompt": 5}], "task_id and prompt"),
        ([["a", "x"]], "a JSON object belongs"),
        ([{"task_id": "a", "prompt": "x"}] * 2, "comes twice"),
        ([{"task_id": "a", "prompt": "\n"}], "no token"),
        ([], "no task"),
    ],
)
def test_bad_benchmarks_are_named(folder, tmp_path, rows, message):
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=message):
        draw(settings_for(folder), path, tmp_path)


@pytest.mark.parametrize(
    "change", [{"n": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"max_new_tokens": 0}, {"memory": -1}]
)
def test_bad_settings_are_named(change):
    with pytest.raises(UserError, match=f"--{next(iter(change))}"):
        checked(Settings, {"model_dir": "m", **change})


def test_gathering_refuses_what_does_not_fit_together(folder, benchmark, tmp_path):
    settings = settings_for(folder, n=2, max_new_tokens=4)
    draw(settings, benchmark, tmp_path, "one", "1/2")
    draw(settings, benchmark, tmp_path, "two", "2/2")
    draw(changed(settings, seed=9), benchmark, tmp_path, "odd", "2/2")

    def attempt(*names):
        files = [[tmp_path / f"{name}.{suffix}" for name in names] for suffix in ("jsonl", "json")]
        gather(benchmark, *files, tmp_path / "all.jsonl", tmp_path / "all.json")

    for names, message in (("one",), "in no shard"), (("one", "one"), "another shard"), (("one", "odd"), "seed"):
        with pytest.raises(UserError, match=message):
            attempt(*names)
    with pytest.raises(UserError, match="--shard"):
        draw(settings, benchmark, tmp_path, "bad", "3/2")
