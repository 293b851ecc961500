"""Models as a graph: what each is made from, who may be chosen, and every fault of the graph in one line."""

import re
from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.study.commands import Commands
from codestill.study.config import load_study
from codestill.study.grid import build_grid, cell_name, parse_cell
from codestill.study.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/models.md").read_text()
TINY = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
SHAPE = TINY["student"]["shape"]
MODELS = {
    "big": {"shape": SHAPE | {"n_layer": 3}, "seed": 7, "training": {"epochs": 2}},
    "assistant": {"layers_of": "teacher"},
    "tiny": {"shape": SHAPE | {"n_embd": 16}},
}
EXPERIMENTS = {
    "sizes": {"grid": {"student": ["student", "assistant", "tiny"]}},
    "teachers": {"grid": {"teacher": ["teacher", "big"]}},
    "seeds_of_it": {"grid": {"teacher_seed": [42, 43]}},
    "direct": {"grid": {"student": "assistant"}},
    "second": {"grid": {"teacher": "best_distilled", "student": "tiny"}},
    "third": {"grid": {"teacher": "direct", "student": "tiny"}},
}


def grid_of(models=MODELS, experiments=EXPERIMENTS, **changes):
    return build_grid(load_study(TINY | {"models": models, "experiments": experiments} | changes), "my.yaml")


def test_cells_name_their_models_and_only_where_they_differ():
    grid = grid_of()
    usual = "T-2.0_alpha-0.5_seed-1"
    assert grid.experiments["sizes"] == [
        usual,
        "T-2.0_alpha-0.5_student-assistant_init-weights_seed-1",
        "T-2.0_alpha-0.5_student-tiny_seed-1",  # a shape, as the study's student is: drawn from the cell's seed
    ]
    # The teacher's own seed is no other teacher.
    assert grid.experiments["seeds_of_it"] == [usual, "T-2.0_alpha-0.5_teacher_seed-43_seed-1"]
    for name, cell in grid.cells.items():
        assert parse_cell(name, grid.defaults) == cell
        assert cell_name(cell, grid.defaults) == name


def test_each_model_is_made_from_others():
    grid = grid_of()
    nodes = grid.graph.nodes
    assert nodes["assistant"].needs == ("teacher",) and nodes["big"].needs == nodes["tiny"].needs == ()
    assert nodes["T-2.0_alpha-0.5_teacher-big_seed-1"].needs == ("student", "big")
    assert nodes["T-2.0_alpha-0.5_teacher_seed-43_seed-1"].needs == ("student", "teacher.seed-43")
    (third,) = grid.experiments["third"]
    assert nodes[third].needs == ("tiny", *grid.experiments["direct"])  # the experiment's cell of the same seed
    assert "big" in nodes and nodes["big"].seed == 7 and nodes["teacher.seed-43"].seed == 43


def test_only_first_generation_cells_of_the_study_s_student_may_be_chosen():
    grid = grid_of()
    assert grid.graph.candidates["best_distilled"] == [
        "T-2.0_alpha-0.5_seed-1",
        "T-2.0_alpha-0.5_teacher-big_seed-1",
        "T-2.0_alpha-0.5_teacher_seed-43_seed-1",
    ]
    self_taught = grid_of({}, {"one": {}, "again": {"grid": {"teacher": "best_distilled"}}})
    assert self_taught.graph.candidates["best_distilled"] == ["T-2.0_alpha-0.5_seed-1"]


def test_files_and_flags_follow_the_graph():
    study = load_study(TINY | {"models": MODELS, "experiments": EXPERIMENTS})
    grid = build_grid(study)
    place = Layout(study, grid)
    commands = Commands(study, place)
    cell = grid.cells["T-2.0_alpha-0.5_teacher_seed-43_seed-1"]
    assert place.teacher_of(cell)[0] == "results/tiny/models/teacher.seed-43/config.json"
    assert commands.cell(cell).endswith("--named teacher=teacher teacher_seed=43")
    assert "--named" not in commands.cell(grid.cells["T-2.0_alpha-0.5_seed-1"])
    assert "--seed 43" in commands.build("teacher.seed-43") and "--seed 43" in commands.teaching("teacher.seed-43")
    assert place.before_teaching("teacher")[0] == "results/tiny/inputs/models/teacher/config.json"
    assert place.before_teaching("big")[0] == "results/tiny/inputs/matched/big/config.json"
    assert place.build_needs("assistant") == place.model("teacher")
    assert set(place.teachers) == {"teacher", "big", "teacher.seed-43", "best_distilled", *grid.experiments["direct"]}
    assert place.trained_bases == ["teacher", "big", "teacher.seed-43"]
    carded = [path.split("/")[-2] for path in place.cards()]
    assert carded == [*(one for one in place.grid.graph.bases if one != "student"), *place.chosen]


def test_a_study_without_further_models_has_the_nodes_that_it_had():
    study = load_study(TINY)
    place = Layout(study, build_grid(study))
    assert place.models == ["teacher", "student", *place.grid.cells]
    assert place.timed == ["teacher", "student"] and place.teachers == ["teacher"] and place.matched_bases == []


def test_a_downloaded_teacher_is_brought_once_for_all_its_seeds(tmp_path):
    raw = TINY | {
        "teacher": {"name": str(tmp_path), "audit": "warn"},
        "experiments": {"two": EXPERIMENTS["seeds_of_it"]},
    }
    study = load_study(raw)
    place = Layout(study, build_grid(study))
    assert place.named_models == ["teacher"]
    assert place.before_teaching("teacher.seed-43") == place.model("teacher", "inputs/models")


FAULTS = [
    (
        {"a": {"layers_of": "b"}, "b": {"layers_of": "a"}},
        {"x": {"grid": {"student": "a"}}},
        "models.",
        "cannot be made",
    ),
    ({"a": {"layers_of": "best_distilled"}}, {"x": {"grid": {"student": "a"}}}, "models.a", "no candidate"),
    ({}, {"x": {"grid": {"teacher": "x"}}}, "experiments.x", "cannot be made from itself"),
    ({}, {"x": {"grid": {"teacher": "bigger"}}}, "experiments.x", "'bigger' is no model of the study; it has teacher"),
    ({}, {"x": {"grid": {"student": "small"}}}, "experiments.x", "'small' is no model"),
    ({"a": {"layers_of": "c"}}, {"x": {"grid": {"student": "a"}}}, "models.a.layers_of", "'c' is no model"),
    ({"spare": {"shape": SHAPE}}, {"x": {}}, "models.spare", "no cell and no other model uses it"),
    ({"x": {"shape": SHAPE}}, {"x": {}}, "models.x", "is an experiment, too"),
    ({"best_distilled": {"shape": SHAPE}}, {"x": {}}, "models.best_distilled", "gives itself"),
    ({"ngram": {"shape": SHAPE}}, {"x": {"grid": {"student": "ngram"}}}, "models.ngram", "gives itself"),
    ({"a_lr-1": {"shape": SHAPE}}, {"x": {"grid": {"student": "a_lr-1"}}}, "models.a_lr-1", "reads as an axis"),
    ({}, {"t": {"grid": {"alpha": [0, 0.5]}}, "x": {"grid": {"teacher": "t"}}}, "experiments.x", "2 cells of seed 1"),
    (MODELS, {"x": {"grid": {"teacher": "tiny", "teacher_seed": 3, "student": "assistant"}}}, "models.big", "no cell"),
    ({"a": {"name": "owner/hub"}}, {"x": {"grid": {"student": "a"}}}, "models.a.name", "from scratch"),
    ({"a": {"shape": SHAPE, "every": 2}}, {"x": {"grid": {"student": "a"}}}, "models.a.every", "layers_of"),
    ({"a": {"shape": {"n_layer": 1}}}, {"x": {"grid": {"student": "a"}}}, "models.a.shape", "model_type"),
    ({"a": {}}, {"x": {"grid": {"student": "a"}}}, "models.a", "exactly one origin"),
    ({}, {"teacher": {"grid": {"teacher_seed": 43}}}, "experiments.teacher", "a model's name, too"),
    ({}, {"best_distilled": {"grid": {"alpha": 0.3}}}, "experiments.best_distilled", "a model's name, too"),
    ({}, {"x.heal": {"grid": {"epochs": -1}}}, "experiments.x.heal.grid.epochs: ", "greater than"),
    ({}, {"a_lr-1": {}, "x": {"grid": {"teacher": "a_lr-1"}}}, "experiments.a_lr-1", "reads as an axis"),
    ({}, {"x": {"grid": {"teacher": "student", "teacher_seed": 43}}}, "experiments.x", "leave the axis out"),
    (
        {"a" * 58: {"shape": SHAPE}, "b" * 58: {"shape": SHAPE}},
        {
            "x": {
                "grid": {
                    "teacher": "a" * 58,
                    "student": "b" * 58,
                    "label_smoothing": 0.1,
                    "weight_decay": 0.5,
                    "objective": "skew_reverse_kl",
                    "hidden_weight": 0.25,
                    "max_train_samples": 12345,
                }
            }
        },
        "experiments.x",
        "its name passes 200 bytes",
    ),
]


@pytest.mark.parametrize(("models", "experiments", "field", "remedy"), FAULTS)
def test_a_fault_of_the_graph_is_one_line_before_any_job(models, experiments, field, remedy):
    with pytest.raises(UserError) as caught:
        grid_of(models, experiments)
    text = str(caught.value)
    assert field in text and remedy in text and "\n" not in text


def test_one_vocabulary_that_is_shared_fits_two_models_only():
    with pytest.raises(UserError, match=r"models\.tiny: policy shared"):
        grid_of({"tiny": MODELS["tiny"]}, {"x": EXPERIMENTS["second"]}, vocabulary={"policy": "shared"})


def test_a_mistake_in_training_is_named_at_its_source():
    with pytest.raises(UserError, match=r"my\.yaml: training\.learning_rate: must be greater than 0") as caught:
        study = TINY | {"models": {"big": MODELS["big"]}, "training": TINY["training"] | {"learning_rate": -1}}
        build_grid(load_study(study, "my.yaml"))
    assert "more)" not in str(caught.value)


VARIANTS = {
    "int8": {"quantise": "int8"},
    "p20": {"prune": 0.2},
    "both": {"quantise": "nf4", "of": "p20"},
    "narrow": {"prune": {"mlp": 0.75}, "of": ["teacher"], "heal": {"epochs": 1}},
}


def test_variants_are_of_the_teacher_and_the_chosen_student_and_of_each_other():
    grid = grid_of(experiments={**EXPERIMENTS, "from_it": {"grid": {"teacher": "teacher.int8"}}}, variants=VARIANTS)
    needs = {name: node.needs for name, node in grid.graph.variants.items()}
    assert needs == {
        "teacher.int8": ("teacher",),
        "best_distilled.int8": ("best_distilled",),
        "teacher.p20": ("teacher",),
        "best_distilled.p20": ("best_distilled",),
        "teacher.p20.both": ("teacher.p20",),
        "best_distilled.p20.both": ("best_distilled.p20",),
        "teacher.narrow": ("teacher",),
    }
    assert grid.graph.nodes[grid.experiments["from_it"][0]].needs == ("student", "teacher.int8")
    (healed,) = grid.graph.healing["teacher.narrow"]
    assert healed == "T-2.0_alpha-0.5_student-teacher.narrow_init-weights_epochs-1.0_seed-1"
    assert grid.graph.nodes[healed].needs == ("teacher.narrow", "teacher")
    assert healed not in grid.graph.candidates["best_distilled"]


def test_a_healed_variant_is_made_smaller_again():
    smaller = {"narrow": VARIANTS["narrow"], "shallow": {"prune": {"depth": 0.5}, "of": "narrow.healed", "heal": {}}}
    few = {"few": {"quantise": "nf4", "of": "teacher.narrow.healed.shallow.healed"}}
    last = "teacher.narrow.healed.shallow.healed.few"
    third = {"third": {"grid": {"teacher": "teacher.narrow.healed"}}}
    grid = grid_of(experiments=EXPERIMENTS | third, variants=few | smaller, seeds=[1, 2])
    first, of_other_seed = grid.graph.healing["teacher.narrow"]
    again = grid.graph.healing["teacher.narrow.healed.shallow"]
    nodes = grid.graph.nodes
    assert nodes["teacher.narrow.healed.shallow"].needs == (first,)
    assert again[0] == (
        "T-2.0_alpha-0.5_teacher-teacher.narrow.healed_student-teacher.narrow.healed.shallow_init-weights_seed-1"
    )
    # Each seed learns from the healed parent of its own, and starts from what was made of the first one's.
    assert nodes[again[1]].needs == ("teacher.narrow.healed.shallow", of_other_seed)
    assert nodes[last].needs == (again[0],)
    assert nodes[grid.experiments["third"][0]].needs == ("student", first)
    for name, cell in grid.cells.items():
        assert parse_cell(name, grid.defaults) == cell


def test_variants_are_judged_measured_and_carded():
    study = load_study(TINY | {"variants": VARIANTS})
    place = Layout(study, build_grid(study))
    for name in ("teacher.int8", "best_distilled.p20.both", "teacher.narrow"):
        assert name in place.judged("greetings") and name in place.models and name in place.timed
        assert f"results/tiny/models/{name}/README.md" in place.cards()
    told = place.resolved()
    assert told["models"]["teacher.narrow"]["value"] == {"mlp": 0.75}
    assert told["models"]["teacher.narrow"]["by"] == "activation" and told["models"]["teacher.p20"]["by"] == "magnitude"
    assert told["made_from"]["teacher.p20.both"] == ["teacher.p20"]
    commands = Commands(study, place)
    assert commands.compress("teacher.p20") == "--operation prune --value 0.2 --by magnitude --threads 1"
    # The resolved config is the study once more.
    assert load_study(told["config"]) == study


FAULTY_VARIANTS = [
    ({"a": {"quantise": "int4"}}, "variants.a.quantise", "'int8' or 'nf4'"),
    ({"a": {}}, "variants.a", "exactly one operation"),
    ({"a": {"quantise": "int8", "cast": "bf16"}}, "variants.a", "exactly one operation"),
    ({"a": {"quantise": "int8", "by": "activation"}}, "variants.a.by", "acts on prune"),
    ({"a": {"quantise": "int8", "heal": {}}}, "variants.a.heal", "not trained here"),
    ({"a": {"prune": 0.5, "heal": {}}}, "variants.a.heal", "fills the zeros again; prune {mlp: ...} can be healed"),
    ({"a": {"prune": 1.5}}, "variants.a.prune", "less than 1"),
    ({"a": {"prune": {"hidden": 0.5}}}, "variants.a.prune", "hidden"),
    ({"a": {"prune": {}}}, "variants.a.prune", "names nothing"),
    ({"a": {"prune": {"mlp": 0.5}, "heal": {"student": "x"}}}, "variants.a.heal", "variant's own"),
    ({"a": {"prune": {"mlp": 0.5}, "heal": {"epoch": 1}}}, "variants.a.heal", "no such axis"),
    (
        {"a": {"prune": {"mlp": 0.5}, "heal": {"alpha": [1, 2]}}},
        "variants.a.heal.alpha: ",
        "must be one value of the axis",
    ),
    ({"a": {"prune": 0.5, "of": []}}, "variants.a.of", "at least 1"),
    ({"a": {"prune": 0.5, "of": ["teacher", "teacher"]}}, "variants.a.of", "must be distinct"),
    ({"a": {"prune": 0.5, "of": "bigger"}}, "variants.a.of", "'bigger' is no model"),
    ({"a": {"prune": 0.5, "of": "b"}, "b": {"prune": 0.5, "of": "a"}}, "variants.", "cannot be made from itself"),
    ({"a": {"prune": {"mlp": 0.5}, "of": "a.healed", "heal": {}}}, "variants.a", "cannot be made from itself"),
    ({"a": {"prune": 0.5}, "b": {"prune": 0.5, "of": "a.healed"}}, "variants.b.of", "'a.healed' is no model"),
    ({"healed": {"prune": 0.5}}, "variants.healed", "a name that the study gives itself"),
    ({"a": {"quantise": "int8"}, "b": {"prune": 0.5, "of": "a"}}, "variants.b.of", "make a of b"),
    ({"default": {"prune": 0.5}}, "variants.default", "is an experiment, too"),
    ({"a": {"prune": 0.5, "of": "a/b"}}, "variants.a.of: ", "letters, digits"),
    ({"a": {"prune": {"mlp": 1}}}, "variants.a.prune.mlp: ", "less than 1"),
    ({"a": {"prune": "half"}}, "variants.a.prune: ", "a valid number"),
    ({"a": {"prune": {"mlp": 0.5}, "heal": {"epochs": -1}}}, "variants.a.heal.epochs: ", "greater than"),
    ({"a": {"prune": {"mlp": 0.5}, "heal": {"recipe": "verified"}}}, "variants.a.heal: ", "no benchmark with tests"),
    ({"a.b": {"cast": "bf16"}, "a": {"prune": 0.2}, "b": {"cast": "fp16", "of": "a"}}, "variants.b", "rename b"),
    (
        {
            "n": {"prune": {"mlp": 0.5}, "heal": {}},
            "p": {"prune": 0.2, "of": "n.healed"},
            "healed.p": {"prune": 0.3, "of": "n"},
        },
        "variants.healed.p: ",
        "names what p makes, too",
    ),
    (
        {
            "a" * 59: {"prune": 0.2},
            "b" * 59: {"prune": 0.2, "of": "a" * 59},
            "c" * 59: {"prune": 0.2, "of": "b" * 59},
            "d" * 59: {"prune": 0.2, "of": "c" * 59},
        },
        "variants.ddd",
        "its name passes 200 bytes",
    ),
]


@pytest.mark.parametrize(("variants", "field", "remedy"), FAULTY_VARIANTS)
def test_a_fault_of_a_variant_is_one_line_before_any_job(variants, field, remedy):
    with pytest.raises(UserError) as caught:
        build_grid(load_study(TINY | {"variants": variants}, "my.yaml"), "my.yaml")
    text = str(caught.value)
    assert text.startswith("my.yaml: ") and field in text and remedy in text and "\n" not in text


def test_a_quantised_model_teaches_and_does_not_learn():
    with pytest.raises(UserError, match=r"experiments\.x: teacher\.int8 is quantised, which is not trained here"):
        grid_of({}, {"x": {"grid": {"student": "teacher.int8"}}}, variants={"int8": VARIANTS["int8"]})


def test_a_reference_is_judged_though_nothing_is_made_of_it():
    spare = {"spare": {"shape": SHAPE, "reference": True}}
    study = load_study(TINY | {"models": spare, "experiments": {"x": {}}})
    layout = Layout(study, build_grid(study))
    assert "spare" in layout.models and "spare" in layout.judged(study.reported[0])


def test_an_adapter_lets_few_bits_learn_and_reaches_the_commands():
    few = {"nf4": {"quantise": "nf4", "of": "teacher", "adapter": {"rank": 8}}}
    x = {"x": {"grid": {"student": "teacher.nf4"}}}
    grid = grid_of({}, x, variants=few)
    assert grid.graph.adapter_of("teacher.nf4").rank == 8
    with pytest.raises(UserError, match=r"variants\.nf4\.adapter: learns on whole weights or on nf4, not on int8"):
        grid_of({}, x, variants={"nf4": few["nf4"] | {"quantise": "int8"}})
    raw = {
        **yaml.safe_load((ROOT / "config/config.yaml").read_text()),
        "student": {"name": "a/b", "adapter": {"rank": 4}, "load_in": "nf4"},
        "teacher": {"name": "c/d", "load_in": "int8"},
    }
    study = load_study(raw)
    commands = Commands(study, layout := Layout(study, build_grid(study)))
    taught, alone = (commands.cell(layout.cell(name)) for name in ("T-2.0_alpha-0.5_seed-42", "alpha-1.0_seed-42"))
    told = """--adapter '{"rank": 4}' --load_in nf4"""
    assert taught.endswith(f"{told} --teacher_load_in int8") and alone.endswith(told)
    assert "adapter" not in commands.teaching("teacher")
    assert commands.states(None, "teacher").startswith("--load_in int8")
    for part, field in (
        ({"name": "a/b", "load_in": "nf4"}, "student.load_in"),
        ({"shape": {"model_type": "gpt2"}, "adapter": {}}, "student.adapter"),
    ):
        with pytest.raises(UserError, match=rf"{field}"):
            load_study({**raw, "student": part})


def test_the_direct_way_stands_beside_a_later_generation():
    second = {"grid": {"teacher": "best_distilled", "student": "tiny", "epochs": 3}}
    grid = grid_of({"tiny": MODELS["tiny"]}, {"default": {}, "second": second})
    (later,) = grid.experiments["second"]
    twin = grid.cells[grid.direct[later]]
    assert (twin.teacher, twin.student, twin.epochs) == ("teacher", "tiny", 3)
    assert grid_of({}, {"default": {}}).direct == {}


def test_a_variant_heals_by_its_parent_whatever_seed_the_study_s_teacher_has():
    variants = {"n": {"prune": {"mlp": 0.75}, "of": ["teacher", "best_distilled"], "heal": {"epochs": 1}}}
    graph = grid_of({}, {"x": {}}, variants=variants, distillation={"teacher_seed": 43}).graph
    (healed,), (later,) = graph.healing["teacher.n"], graph.healing["best_distilled.n"]
    assert graph.nodes[healed].needs == ("teacher.n", "teacher")
    assert graph.nodes[later].needs == ("best_distilled.n", "best_distilled")
    second = {"x": {}, "second": {"grid": {"teacher": "best_distilled", "student": "tiny", "teacher_seed": None}}}
    grid = grid_of({"tiny": MODELS["tiny"]}, second, distillation={"teacher_seed": 43})
    (later,) = grid.experiments["second"]
    assert grid.graph.nodes[grid.direct[later]].needs == ("tiny", "teacher.seed-43")  # by the study's own teacher


def test_an_entry_of_exclude_may_name_a_teacher_s_own_seed():
    query = {"grid": {"teacher": ["teacher", "big"], "teacher_seed": [42, 7]}}
    excluded = query | {"exclude": [{"teacher": "big", "teacher_seed": 7}]}
    models = {"big": MODELS["big"]}
    every, three = (grid_of(models, {"x": one}).experiments["x"] for one in (query, excluded))
    assert set(every) - set(three) == {"T-2.0_alpha-0.5_teacher-big_seed-1"} and len(three) == 3


def test_a_chain_of_named_heals_may_have_a_long_name():
    names = ("narrow_mlp", "narrow_heads", "narrow_depth")
    of = ("best_distilled", "narrow_mlp.healed", "narrow_heads.healed")
    variants = {name: {"prune": {"mlp": 0.75}, "of": one, "heal": {}} for name, one in zip(names, of, strict=True)}
    last = "best_distilled.narrow_mlp.healed.narrow_heads.healed.narrow_depth"
    assert last in grid_of({}, {"x": {}}, variants=variants).graph.healing


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S))
def test_what_the_page_on_models_shows_is_a_config(block):
    shown = yaml.safe_load(block)
    models, experiments = shown.pop("models", {}), {"default": {}, **shown.pop("experiments", {})}
    grid = grid_of(models, experiments, **shown)
    assert len(grid.graph.nodes) > 4


def own_text(**more):
    return {"corpus": {"sources": {"own": {"kind": "stdlib"}}}, **more}


def test_tasks_and_variants_are_made_of_each_other():
    variants = {"p20": {"prune": 0.2, "of": "teacher"}, "small": {"cast": "bf16", "of": "talk"}}
    grid = grid_of(variants=variants, tasks={"talk": own_text(of=["best_distilled", "p20"])})
    assert list(grid.graph.tasks) == ["best_distilled.talk", "teacher.p20.talk"]
    assert [*grid.graph.variants] == ["teacher.p20", "best_distilled.talk.small", "teacher.p20.talk.small"]


@pytest.mark.parametrize(
    "tasks, fault",
    [
        ({"talk": own_text(of="nobody")}, "tasks.talk.of: 'nobody' is no model"),
        ({"big": own_text()}, "tasks.big: models.big has that name, too"),
        ({"talk": own_text(of="int8")}, "tasks.talk.of: int8 is quantised"),
        (
            {"a": own_text(of="b"), "b": own_text(of="a", corpus={"sources": {"z": {"kind": "stdlib"}}})},
            "break the circle",
        ),
        ({"talk": own_text(benchmarks=["x"])}, "tasks.talk.benchmarks: 'x' is not reported here"),
        ({"talk": {"corpus": TINY["corpus"]}}, "corpus has a source of that name"),
        ({"talk": own_text(training={"epochs": 0})}, "tasks.talk.training.epochs: 0 would leave"),
    ],
)
def test_a_task_that_cannot_be_is_told_in_one_line(tasks, fault):
    with pytest.raises(UserError, match=fault) as error:
        grid_of(variants={"int8": {"quantise": "int8"}}, tasks=tasks)
    assert "\n" not in str(error.value)


def test_layers_of_a_quantised_model_are_refused_before_any_job():
    with pytest.raises(UserError, match=r"models\.thin\.layers_of: teacher\.int8 is quantised; take layers of"):
        grid_of(
            models={"thin": {"layers_of": "teacher.int8", "reference": True}},
            experiments={"default": {}},
            variants={"int8": {"quantise": "int8", "of": "teacher"}},
        )


def test_a_model_is_built_of_layers_of_a_healed_variant():
    models = {"thin": {"layers_of": "teacher.narrow.healed"}}
    variants = {"narrow": VARIANTS["narrow"], "few": {"quantise": "nf4", "of": "thin"}}
    study = load_study(
        TINY
        | {"models": models, "variants": variants, "seeds": [1, 2], "experiments": {"x": {"grid": {"student": "thin"}}}}
    )
    place = Layout(study, build_grid(study))
    first = place.grid.graph.healing["teacher.narrow"][0]
    assert place.grid.graph.nodes["thin"].needs == (first,) and place.build_needs("thin") == place.model(first)
    assert place.grid.graph.candidates["best_distilled"] == [] and "thin.few" in place.models
    with pytest.raises(
        UserError, match=r"models\.thin\.layers_of: 'teacher\.int8\.healed' is no model; it has .*healed"
    ):
        grid_of({"thin": {"layers_of": "teacher.int8.healed"}}, {"x": {}}, variants=VARIANTS)


def test_the_home_study_s_ladder_adds_models_and_changes_none():
    home = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    laid = yaml.safe_load((ROOT / "config/extras/ladder.yaml").read_text())
    alone, both = (
        build_grid(load_study(raw))
        for raw in (home, {**laid, **home, "experiments": home["experiments"] | laid["experiments"]})
    )
    assert alone.cells.items() <= both.cells.items() and both.graph.candidates == alone.graph.candidates
    assert len(both.graph.variants) == 13 and len(both.direct) == 3
