"""The model card: its metadata as the hub reads it, and a folder that loads and generates as it is."""

import re
import shutil

import pytest

from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError
from codestill.report import page_data
from codestill.report.figures import load_tables
from codestill.report.model_card import write
from codestill.report.objectives import objectives_that_ran
from codestill.report.results import Results


def results_of(folder):
    return Results.load(folder / "study.json", folder)


def test_metadata_is_what_the_hub_reads(whole, tmp_path):
    from huggingface_hub import ModelCard

    write(results_of(whole), "best_distilled", tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.base_model == "s" and card.data.library_name == "transformers"
    on_disk = read_json(whole / "scores/pocket/T-2.0_alpha-0.5_seed-0.json")
    results = {(one.dataset_name, one.metric_type): one for one in card.data.eval_results}
    passed = results["pocket", "pass@1"]
    assert passed.metric_value == on_disk["pass@1"]
    assert passed.metric_args == {"interval_95": on_disk["intervals"]["pass@1"]}
    text = (tmp_path / "README.md").read_text()
    for said in (
        "alpha: 0.5",
        "temperature: 2.0",
        "## Limits",
        "It was chosen among 8 settings, by eval_loss, before any reported benchmark was read.",
        "fine-tuned without a teacher",
    ):
        assert said in text


@pytest.mark.parametrize("name", ["teacher", "student", "best_finetuned", "T-1.0_alpha-0.0_seed-1"])
def test_every_kind_of_model_has_one(whole, tmp_path, name):
    assert write(results_of(whole), name, tmp_path / "README.md").startswith("---\nlanguage:")


def test_a_card_names_its_own_base_model(whole, tmp_path):
    from huggingface_hub import ModelCard

    for name, base in (("teacher", "t"), ("student", "s"), ("best_finetuned", "s")):
        write(results_of(whole), name, tmp_path / "README.md")
        assert ModelCard.load(tmp_path / "README.md").data.base_model == base, name


def test_cards_of_further_models_and_of_what_is_made_of_them(whole, tmp_path):
    """Each says what it is and names the base that it goes back to; those of cells stand beside the controls."""
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    study = read_json(folder / "study.json")
    study["config"]["models"] = {"big": {"name": "b"}}
    made = {"big": [], "teacher.seed-43": [], "teacher.narrow": ["teacher"]}
    models = {name: {"role": "model", "cell": None} for name in ("big", "teacher.seed-43")}
    narrow = {"operation": "prune", "value": {"mlp": 0.75}, "by": "activation", "healed": ["healed"]}
    models["teacher.narrow"] = {"role": "variant", "cell": None, **narrow}
    cells = {
        "healed": ({"student": "teacher.narrow"}, ["teacher.narrow", "teacher"]),
        "second": ({"student": "big", "teacher": "best_distilled"}, ["big", "best_distilled"]),
        "alone": ({"student": "big", "alpha": 1}, ["big"]),
    }
    for name, (axes, needs) in cells.items():
        models[name] = {"role": "cell", "cell": {"temperature": 2.0, "alpha": 0.5, "seed": 0, **axes}}
        made[name] = needs
    write_json(folder / "study.json", study | {"models": study["models"] | models, "made_from": made})
    write_json(folder / "models/big/eval_results.json", {"eval_loss": 1.5})
    said = {
        "big": ("The model big of the study. It completes", "b", "Fine-tuned on the corpus'"),
        "teacher.seed-43": ("The model teacher.seed-43 of the study. It", "t", "Not trained in this study"),
        "healed": ("The model teacher.narrow, distilled from teacher (teacher.narrow healed).", "t", "KL("),
        "second": ("The model big, distilled from best_distilled (big by best_distilled", "b", "KL("),
        "alone": ("The model big, fine-tuned without a teacher (big alone", "b", "cross-entropy of the labels"),
    }
    for name, (what, base, trained) in said.items():
        text = write(results_of(folder), name, tmp_path / "README.md")
        assert what in text and f"base_model: {base}\n" in text and trained in text, name
        assert "| The student, fine-tuned without a teacher (" in text, name
        assert (f"| {what.partition(' (')[0]} (" in text) == (name in cells), name


def test_a_card_names_the_objective_that_ran_and_what_it_was_made_from(whole, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("report"))
    study = read_json(folder / "study.json")
    said = {
        "T-1.0_alpha-0.0_seed-1": ({"objective": "forward_kl"}, "alpha CE + (1 - alpha) T² KL(teacher ‖ student)"),
        "T-1.0_alpha-0.5_seed-1": ({"objective": "reverse_kl"}, "KL(student ‖ teacher)"),
        "T-4.0_alpha-0.5_seed-1": ({"objective": "jsd", "beta": 0.3}, "JSD(teacher, student; beta 0.3)"),
        "alpha-1.0_seed-1": ({"objective": None}, "was CE, the cross-entropy of the labels alone"),
    }
    for name, (axes, _) in said.items():
        study["models"][name]["cell"] |= axes
    write_json(folder / "study.json", study)
    for name, (_, words) in said.items():
        text = write(results_of(folder), name, tmp_path / "README.md")
        assert words in text and "- model: s (licence: not named)" in text, name
        assert ("‖" in text) == ("KL(" in words), name
    ran = [latex for _, latex in objectives_that_ran(results_of(folder))]
    assert any(r"\mathrm{JSD}_{0.3}" in one for one in ran) and len(set(ran)) == 3
    (caption,) = (one["caption"] for one in page_data.tell(results_of(folder), load_tables(whole / "report"))["figures"]
                  if one["name"] == "curves")  # fmt: skip
    assert "Objectives that ran: " in caption and "JSD(teacher, student; beta 0.3)" in caption


def test_an_unmeasured_model_says_so(whole, tmp_path):
    shutil.copy(whole / "study.json", tmp_path)
    assert "Nothing is measured yet." in write(results_of(tmp_path), "teacher", tmp_path / "README.md")
    with pytest.raises(UserError, match="not in study made"):
        write(results_of(tmp_path), "nobody", tmp_path / "README.md")


def test_a_folder_with_its_card_loads_and_generates(whole, tmp_path):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        GPT2Config,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
        pipeline,
    )

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["def f(x):\n    return x\n"] * 3, vocab_size=280, special_tokens=["<end>"])
    PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<end>").save_pretrained(tmp_path)
    shape = GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=280, n_positions=128, eos_token_id=0, bos_token_id=0)
    GPT2LMHeadModel(shape).save_pretrained(tmp_path)
    text = write(results_of(whole), "best_distilled", tmp_path / "README.md")
    snippet = text.split("```python\n")[1].split("```")[0].replace("PATH", str(tmp_path))
    snippet = snippet.replace("print(", "shown = (")
    seen = {"AutoModelForCausalLM": AutoModelForCausalLM, "AutoTokenizer": AutoTokenizer}
    exec(snippet, seen)  # the card's own example, as a reader would run it
    assert seen["shown"].startswith("def double(x):") and len(seen["shown"]) > len(seen["prompt"])
    opened = re.search(r"`(pipeline\(.*?)`", text)[1].replace("PATH", str(tmp_path))  # the card's pipeline_tag
    written = eval(opened, {"pipeline": pipeline, "prompt": seen["prompt"]})[0]["generated_text"]
    assert written.startswith(seen["prompt"]) and len(written) > len(seen["prompt"])
    assert "`vllm serve PATH`" in text
