"""Engines: the tokens and the distribution of `generate`, and the text, stops and ends of the study."""

import json
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from test_truncation import chi_square_z, warped
from transformers import AutoModelForCausalLM

from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError
from codestill.sampling import continuous_batching, sampler
from codestill.sampling.engines import LanesEngine, TransformersEngine, drawable, engine_for
from codestill.sampling.kv_cache import Lanes
from codestill.sampling.prompts import Task
from codestill.sampling.sampler import LoadedModel
from codestill.sampling.settings import Settings
from codestill.sampling.stop_rules import GrowingText, StopRules
from drawing import changed, draw, settings_for
from small_models import EXTRA, KINDS, make_folder, make_tokenizer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 7])
def test_greedy_is_token_identical_to_generate(kind, n, tmp_path, benchmark):
    settings = settings_for(make_folder(tmp_path / kind, kind), temperature=0.0, n=n, batch_size=4, stop=[])
    model = LoadedModel(settings)
    tasks = sampler.read_tasks(
        read_jsonl(benchmark), model.tokenizer, model.limit, Settings(max_new_tokens=24), benchmark
    )
    found = {}
    engine = LanesEngine(model.model, model.tokenizer, (), settings, tasks)
    assert engine.lanes.shared == (n >= 6 and kind != "codegen")
    with torch.inference_mode():
        engine._run([(task, 0) for task in tasks], lambda done: found.update({done.task.name: done.text.ids}))
    for task in tasks:
        prompt = torch.tensor([task.ids])
        theirs = model.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=24, pad_token_id=1,
            suppress_tokens=list(range(engine.lanes.columns, engine.lanes.columns + EXTRA)),
        )[0, len(task.ids) :].tolist()  # fmt: skip
        if theirs[-1] == model.tokenizer.eos_token_id:
            theirs.pop()
        assert found[task.name] == theirs


@pytest.mark.parametrize("name", ["lanes", "transformers"])
def test_draws_have_the_distribution_of_generate(folder, name):
    """First tokens against their exact probabilities; pairs of tokens against exact products."""
    draws = 3000
    settings = settings_for(folder, n=draws, max_new_tokens=2, batch_size=500)
    model = LoadedModel(settings)
    task = Task("T", model.tokenizer("def add(a, b):")["input_ids"], 2)
    engine = engine_for(name, model.model, model.tokenizer, (), settings, [task])
    rows = []
    with torch.inference_mode():
        if name == "lanes":
            engine._run([(task, index) for index in range(draws)], lambda done: rows.append(tuple(done.text.ids)))
        else:
            rows = [tuple(ids) for ids in engine.ids_of(task, list(range(draws)))]
        columns, _ = drawable(model.model, model.tokenizer)
        first = warped(model.model(torch.tensor([task.ids])).logits[0, -1, :columns], 0.8, 0.95)
        seconds = {}
        for token in np.flatnonzero(first > 0.02):
            following = model.model(torch.tensor([[*task.ids, token]])).logits[0, -1, :columns]
            seconds[token] = warped(following, 0.8, 0.95)
    end = model.tokenizer.eos_token_id
    starts = Counter(row[0] if row else end for row in rows)
    assert abs(chi_square_z(np.array([starts[i] for i in range(columns)]), first * draws)) < 4.5
    for token, expected in seconds.items():
        pairs = Counter(row[1] if len(row) > 1 else end for row in rows if row and row[0] == token)
        counts = np.array([pairs[i] for i in range(columns)])
        assert counts[expected == 0].sum() == 0
        assert abs(chi_square_z(counts, expected * counts.sum())) < 4.5


def test_ids_without_a_token_are_never_drawn(tmp_path, benchmark):
    def boost(model):
        model.get_output_embeddings().weight[-EXTRA:] *= 50

    folder = make_folder(tmp_path / "boosted", change=boost)
    whole, _ = draw(settings_for(folder, temperature=2.0, top_p=1.0), benchmark, tmp_path)
    assert len(whole.splitlines()) == 35
    assert drawable(LoadedModel(settings_for(folder)).model, make_tokenizer())[0] == len(make_tokenizer())


def test_text_and_stops_agree_with_decoding():
    tokenizer = make_tokenizer()
    stops = ("ss x", "\nd", "é", "\n\n")
    rules = StopRules(tokenizer, stops, len(tokenizer))
    generator = np.random.default_rng(0)
    likely = tokenizer("\nclass x\ndef é ü")["input_ids"]
    stopped = 0
    for _ in range(300):
        ids = generator.choice([*likely * 40, *range(len(tokenizer))], 12).tolist()
        full = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found = [full.find(stop) for stop in stops if stop in full]
        text = GrowingText(rules)
        for count, token in enumerate(ids, 1):
            written = tokenizer.decode(ids[:count], skip_special_tokens=True, clean_up_tokenization_spaces=False)
            ends = text.add(token)
            assert ends == any(stop in written for stop in stops)
            if ends:
                break
        stopped += bool(found)
        assert text.text() == (full[: min(found)] if found else full)
    assert stopped > 20


@pytest.mark.parametrize("engine", ["lanes", "transformers"])
def test_every_end_token_ends_and_nothing_else_of_a_generation_config_counts(engine, tmp_path, benchmark):
    """As in Llama 3 and Qwen2: several end tokens, a penalty, beams; and an id left from another vocabulary."""
    settings = settings_for(make_folder(tmp_path / "plain"), temperature=0.0, n=1, stop=(), engine=engine)
    plain, _ = draw(settings, benchmark, tmp_path, f"{engine}-plain")
    folder = make_folder(tmp_path / "quirks")
    ordinary = make_tokenizer()("e")["input_ids"][0]
    quirks = {"eos_token_id": [2, 1, ordinary], "repetition_penalty": 2.0, "min_new_tokens": 20, "num_beams": 3}
    (folder / "generation_config.json").write_text(json.dumps(quirks))
    settings = changed(settings, model_dir=str(folder))
    found, facts = draw(settings, benchmark, tmp_path, f"{engine}-quirks")
    assert facts["end_tokens"] == ["</s>", "<pad>"]
    assert found == plain

    def prefer(model):
        model.get_output_embeddings().weight[1] = model.get_output_embeddings().weight[2]
        model.get_output_embeddings().weight[1:3] *= 4  # two columns alike: </s> and <pad> are equally likely

    folder = make_folder(tmp_path / "two", change=prefer)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 1]}))
    often = settings_for(folder, n=40, temperature=1.0, top_p=1.0, stop=(), engine=engine)
    _, facts = draw(often, benchmark, tmp_path, f"{engine}-two")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2}))
    _, fewer = draw(often, benchmark, tmp_path, f"{engine}-one")
    assert facts["finish"]["end"] > fewer["finish"]["end"] > 0
    assert facts["tokens"] < fewer["tokens"]


def test_stop_strings_end_and_are_cut(folder, benchmark, tmp_path):
    free, _ = draw(settings_for(folder, stop=[]), benchmark, tmp_path, "free")
    cut, facts = draw(settings_for(folder, stop=("e", "\n")), benchmark, tmp_path, "cut")
    assert facts["finish"]["stop"] > 5
    for before, after in zip(map(json.loads, free.splitlines()), map(json.loads, cut.splitlines()), strict=True):
        places = [before["completion"].find(stop) for stop in ("e", "\n") if stop in before["completion"]]
        if places:
            assert after["finish"] == "stop"
            assert after["completion"] == before["completion"][: min(places)]
        else:
            assert after == before


def test_a_model_that_lanes_cannot_hold_is_sampled_by_generate(tmp_path, benchmark):
    settings = settings_for(make_folder(tmp_path / "mistral", "mistral"), n=2, max_new_tokens=6)
    text, facts = draw(settings, benchmark, tmp_path)
    assert facts["engine"] == "transformers" and facts["guarantee"].startswith("seeded")
    assert len(text.splitlines()) == 10
    assert draw(settings, benchmark, tmp_path, "again")[0] == text


def test_transformers_engine_ends_where_lanes_do(folder, benchmark, tmp_path):
    greedy = settings_for(folder, temperature=0.0, n=1, stop=("e", "\n"))
    ours, _ = draw(greedy, benchmark, tmp_path, "ours")
    theirs, _ = draw(changed(greedy, engine="transformers"), benchmark, tmp_path, "theirs")
    assert ours == theirs
    assert TransformersEngine.name == "transformers"


def test_an_engine_that_is_not_installed_is_one_line(folder, benchmark, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"--engine vllm: not installed; pip install -e '\.\[vllm\]'"):
        draw(settings_for(folder, engine="vllm"), benchmark, tmp_path)


def test_differences_that_are_no_rounding_are_refused():
    slack = continuous_batching.Slack(exact=True, temperature=0.8)
    slack.compare(torch.tensor([1.0, 2.0]), torch.tensor([1.5, 2.5]))  # a common shift changes nothing
    slack.compare(torch.tensor([1.0, 2.0, -90.0]), torch.tensor([1.0, 2.0, -91.0]))  # nor a token never drawn
    assert slack.worst == 0
    with pytest.raises(continuous_batching.Unsupported):
        slack.compare(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]))


def test_lanes_share_prompts_whether_or_not_their_maker_wants_gradients(folder):
    lanes = Lanes(AutoModelForCausalLM.from_pretrained(folder).eval(), 30, shared=True)
    lanes.trial()
    assert lanes.shared
