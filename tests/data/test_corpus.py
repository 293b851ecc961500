"""prepare_corpus: what is dropped is counted, nothing leaks between splits, and the same seed gives the same bytes."""

import json
import sys

import pytest

import download
import prepare_corpus
from codestill.data import corpus
from codestill.data.functions import parse_function
from codestill.data.normal_form import fingerprint, normal_form
from codestill.kit.files import read_json, read_jsonl, write_jsonl
from codestill.kit.program import UserError
from shared_data import shared


def row(number, **fields):
    """A record that is like no other of another number."""
    code = (
        f'def f{number}(items):\n    """Number {number}."""\n    return [item + {number} for item in sorted(items)[1:]]'
    )
    return {"code": code, "docstring": f"Number {number}.", "func_name": f"f{number}", **fields}


def prepare(monkeypatch, folder, sources, benchmarks=(), **flags):
    """Run the program on sources {name: rows}; returns ({split: rows}, accounting)."""
    paths = [folder / f"{name}.jsonl.gz" for name in sources]
    for path, rows in zip(paths, sources.values(), strict=True):
        write_jsonl(path, rows)
    write_jsonl(folder / "benchmark.jsonl", benchmarks)
    outputs = {split: folder / "corpus" / f"{split}.jsonl" for split in corpus.SPLITS}
    command = ["prepare_corpus.py", "--sources", *paths, "--benchmarks", folder / "benchmark.jsonl"]
    for name, value in {**outputs, "accounting": folder / "accounting.json", "seed": 1, **flags}.items():
        command += [f"--{name}", value]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    prepare_corpus.main()
    return {split: list(read_jsonl(path)) for split, path in outputs.items()}, read_json(folder / "accounting.json")


def names(splits):
    return {split: sorted(row["func_name"] for row in rows) for split, rows in splits.items()}


def settled(account):
    """True where every count of an accounting adds up, for each source and over all of them."""
    for part in (account, *account["sources"].values()):
        if part["read"] != sum(part["kept"].values()) + sum(part["dropped"].values()):
            return False
    return account["read"] == sum(part["read"] for part in account["sources"].values())


BAD = {
    "without_code": [row(1, code=""), row(1, code=None), row(1, code='def f():\n    """Doc."""\n    pass')],
    "without_docstring": [row(2, code="def f2(x):\n    return x + 1", docstring="  ")],
    "does_not_parse": [row(3, code="def f3(x):\n    print 'python 2'")],
    "not_a_function": [row(4, code="class F4:\n    '''Doc.'''")],
    "duplicate": [row(5)],
    "duplicate_but_for_layout": [
        row(6, code=row(6)["code"].replace("return", "return  ").replace("items)[", "items) ["))
    ],
}


def test_what_cannot_teach_is_dropped_and_counted(monkeypatch, tmp_path):
    rows = [row(number) for number in range(5, 40)] + [one for bad in BAD.values() for one in bad]
    splits, account = prepare(monkeypatch, tmp_path, {"mixed": rows})
    assert {reason: count for reason, count in account["dropped"].items() if count} == {
        reason: len(bad) for reason, bad in BAD.items()
    }
    assert account["kept"] == {split: len(kept) for split, kept in splits.items()}
    assert sum(account["kept"].values()) == 35 and settled(account)


def test_a_docstring_that_only_the_code_has_is_put_in_its_field(monkeypatch, tmp_path):
    splits, _ = prepare(monkeypatch, tmp_path, {"one": [row(number, docstring="") for number in range(30)]})
    assert all(one["docstring"] == f"Number {one['func_name'][1:]}." for rows in splits.values() for one in rows)


def test_given_partitions_are_honoured(monkeypatch, tmp_path):
    parts = ("train", "validation", "test")
    rows = [row(number, partition=parts[number % 3]) for number in range(30)]
    splits, _ = prepare(monkeypatch, tmp_path, {"own": rows}, validation_fraction=0.4, test_fraction=0.4)
    assert names(splits) == {part: sorted(f"f{n}" for n in range(30) if n % 3 == i) for i, part in enumerate(parts)}


def test_a_part_that_a_source_does_not_bring_is_split_off_its_train(monkeypatch, tmp_path):
    rows = [row(number, partition="train" if number else "test") for number in range(400)]
    splits, _ = prepare(monkeypatch, tmp_path, {"own": rows}, validation_fraction=0.2, test_fraction=0.2)
    assert names(splits)["test"] == ["f0"]
    assert 50 < len(splits["validation"]) < 110


def test_fractions_are_met_and_stable_when_records_are_added(monkeypatch, tmp_path):
    few = prepare(monkeypatch, tmp_path, {"a": [row(n) for n in range(600)]}, validation_fraction=0.2)[0]
    many = prepare(monkeypatch, tmp_path, {"a": [row(n) for n in range(800)]}, validation_fraction=0.2)[0]
    assert 90 < len(few["validation"]) < 150 and 15 < len(few["test"]) < 50
    for split in corpus.SPLITS:
        assert set(names(few)[split]) <= set(names(many)[split])


def renamed(one, **fields):
    """The same function under other names, with another docstring."""
    code = one["code"].replace("items", "things").replace("item ", "thing ").replace('"""Num', '"""The num')
    return {**one, "code": code.replace("for item", "for thing"), "docstring": "The " + one["docstring"], **fields}


def test_near_identical_functions_share_a_split(monkeypatch, tmp_path):
    rows = [row(number) for number in range(200)]
    splits, account = prepare(
        monkeypatch,
        tmp_path,
        {"a": rows, "b": [renamed(one) for one in rows]},
        validation_fraction=0.3,
        test_fraction=0.3,
    )
    assert sum(account["kept"].values()) == 400 and min(account["kept"].values()) > 40
    homes = {}
    for split, kept in splits.items():
        for one in kept:
            homes.setdefault(fingerprint(normal_form(parse_function(one["code"]))[0]), set()).add(split)
    assert len(homes) == 200 and all(len(home) == 1 for home in homes.values())


def test_near_identical_functions_of_a_source_without_its_own_test_part_are_kept_together(monkeypatch, tmp_path):
    rows = [one for number in range(100) for one in (row(number), renamed(row(number)))]
    rows = [{**one, "partition": "train"} for one in rows]
    splits, account = prepare(monkeypatch, tmp_path, {"a": rows}, validation_fraction=0.3, test_fraction=0.3)
    assert sum(account["kept"].values()) == 200
    for held in names(splits).values():
        assert len(held) == 2 * len(set(held)) > 0


def test_train_loses_what_test_or_validation_hold_in_any_order_of_the_sources(monkeypatch, tmp_path):
    train = [row(number, partition="train") for number in range(20)]
    held = [renamed(row(number), partition="test" if number < 4 else "validation") for number in range(6)]
    held += [row(30, partition="test")]
    train += [row(30, partition="train")]
    for sources in ({"a": train, "b": held}, {"b": held, "a": train}):
        splits, account = prepare(monkeypatch, tmp_path, sources, validation_fraction=0, test_fraction=0)
        assert len(splits["test"]) == 5 and len(splits["validation"]) == 2
        assert names(splits)["train"] == sorted(f"f{number}" for number in range(6, 20))
        assert account["sources"]["a"]["dropped"]["near_identical_in_another_split"] == 6
        assert account["sources"]["a"]["dropped"]["duplicate"] == 1


def test_records_without_a_partition_follow_their_near_twin(monkeypatch, tmp_path):
    own = [row(number, partition="test") for number in range(20)] + [row(50, partition="train")]
    splits, _ = prepare(monkeypatch, tmp_path, {"own": own, "free": [renamed(row(number)) for number in range(20)]})
    assert len(splits["test"]) == 40 and len(splits["train"]) == 1


def test_small_bodies_count_as_the_same_only_with_the_same_docstring(monkeypatch, tmp_path):
    def getter(number, partition):
        code = f'def f{number}(self):\n    """Number {number}."""\n    return self.x'
        return row(number, code=code, partition=partition)

    rows = [
        getter(1, "train"),
        getter(2, "test"),
        {**getter(2, "train"), "code": getter(2, "")["code"].replace("f2", "g")},
    ]
    splits, account = prepare(monkeypatch, tmp_path, {"a": rows}, validation_fraction=0)
    assert names(splits) == {"train": ["f1"], "validation": [], "test": ["f2"]}
    assert account["dropped"]["near_identical_in_another_split"] == 1


def test_max_samples_shrinks_every_split(monkeypatch, tmp_path):
    parts = ("train", "train", "train", "validation", "test")
    rows = [row(number, partition=parts[number % 5]) for number in range(500)]
    splits, account = prepare(monkeypatch, tmp_path, {"a": rows}, max_samples=30)
    assert {split: len(kept) for split, kept in splits.items()} == {"train": 30, "validation": 10, "test": 10}
    assert account["dropped"]["over_max_samples"] == 450 and settled(account)


def test_a_seed_fixes_every_byte_and_another_changes_split_and_order(monkeypatch, tmp_path):
    sources = {"a": [row(number) for number in range(300)]}
    made = []
    for seed in (1, 1, 2):
        prepare(monkeypatch, tmp_path, sources, seed=seed)
        made.append({split: (tmp_path / "corpus" / f"{split}.jsonl").read_bytes() for split in corpus.SPLITS})
    assert made[0] == made[1]
    assert all(made[0][split] != made[2][split] for split in corpus.SPLITS)
    assert [json.loads(line)["func_name"] for line in made[0]["train"].splitlines()[:3]] != ["f0", "f1", "f2"]


@pytest.mark.parametrize(
    "sources, flags, message",
    [
        ({"a": [row(1)]}, {"test_fraction": 0.6}, "--test_fraction: must be less than 0.5, not 0.6"),
        ({"a": [row(1)]}, {"max_samples": 0}, "--max_samples: must be greater than 0, not 0"),
        ({"a": [row(1, partition="dev")]}, {}, r"a\.jsonl\.gz:1: field partition is 'dev'"),
        ({"a": BAD["does_not_parse"]}, {}, "none is left to train on \\(does_not_parse 1\\)"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(monkeypatch, tmp_path, sources, flags, message):
    with pytest.raises(UserError, match=message):
        prepare(monkeypatch, tmp_path, sources, **flags)
    assert not list(tmp_path.glob("corpus/*"))


def test_the_400_real_records_of_codesearchnet(monkeypatch, tmp_path):
    command = ["download.py", "corpus", "--kind", "files", "--path", shared("codesearchnet")]
    command += ["--output", tmp_path / "real.jsonl.gz", "--manifest", tmp_path / "manifest.json"]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    download.main()
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["functions"] == 400
    assert manifest["partitions"] == {"test": 130, "train": 150, "validation": 120}
    rows = list(read_jsonl(tmp_path / "real.jsonl.gz"))
    assert rows[0]["source"] == "real" and rows[0]["repo"] and rows[0]["url"].startswith("https://")
    splits, account = prepare(monkeypatch, tmp_path, {"real": rows})
    assert settled(account) and account["read"] == 400
    # Python 2 code is left out, and nothing that Python 3 reads.
    unread = [one for one in rows if parse_function(one["code"]) is None]
    assert account["dropped"]["does_not_parse"] == len(unread) < 40
    assert sum(account["kept"].values()) > 350
    for split, kept in splits.items():
        assert {one["partition"] for one in kept} == {split}


@pytest.mark.parametrize("value, nodes", [("x + x + 1 * 1", 11), ("--x + 1 + 1", 12)])
def test_bodies_of_a_dozen_syntax_nodes_are_the_same_under_any_docstring(monkeypatch, tmp_path, value, nodes):
    """Eleven nodes and another docstring are another function: the least size of a near duplicate."""
    code = f'def f{{0}}(x):\n    """Number {{0}}."""\n    return {value}'
    rows = [row(1, code=code.format(1), partition="test"), row(2, code=code.format(2), partition="train")]
    assert normal_form(parse_function(rows[0]["code"]))[1] == nodes
    _, account = prepare(monkeypatch, tmp_path, {"a": [*rows, row(3, partition="train")]}, validation_fraction=0)
    assert account["dropped"]["near_identical_in_another_split"] == (nodes >= 12)


def test_the_seed_decides_the_split_and_not_the_order_alone(monkeypatch, tmp_path):
    rows, held = [row(number) for number in range(300)], []
    for seed in (1, 2):
        held.append(set(names(prepare(monkeypatch, tmp_path, {"a": rows}, seed=seed, test_fraction=0.3)[0])["test"]))
    assert len(held[0] & held[1]) + len(held[0] - held[1]) > 50 and len(held[0] - held[1]) > 30


@pytest.mark.parametrize("split_by", ["repo", "path"])
def test_no_repository_or_file_stands_in_two_splits(monkeypatch, tmp_path, split_by):
    rows = [row(number, repo=f"r{number % 60}", path=f"{number % 120}.py") for number in range(1200)]
    twins = [renamed(row(number), repo="copies", path=f"copy{number % 10}.py") for number in range(0, 1200, 40)]
    splits, account = prepare(
        monkeypatch, tmp_path, {"a": rows, "b": twins}, split_by=split_by, validation_fraction=0.2, test_fraction=0.2
    )
    homes, twin_homes = {}, {}
    for split, kept in splits.items():
        assert len(kept) > 100
        for one in kept:
            homes.setdefault((one["repo"], one["path"])[: 1 + (split_by == "path")], set()).add(split)
            twin_homes.setdefault(fingerprint(normal_form(parse_function(one["code"]))[0]), set()).add(split)
    assert len(homes) == {"repo": 61, "path": 121}[split_by] and all(len(home) == 1 for home in homes.values())
    # What does the same stands in one split all the same: what is learnt yields to what is held back.
    assert all(len(home) == 1 for home in twin_homes.values())
    assert account["dropped"]["near_identical_in_another_split"] > 0 and settled(account)
    by_function = prepare(monkeypatch, tmp_path, {"a": rows}, validation_fraction=0.2, test_fraction=0.2)[0]
    assert len({one["repo"] for kept in by_function.values() for one in kept}) == 60
    assert sum(len({one["repo"] for one in kept}) for kept in by_function.values()) > 100  # the check above can fail


def test_a_repository_that_its_source_puts_in_two_splits_is_held_back_whole(monkeypatch, tmp_path):
    rows = [row(number, repo=f"r{number % 4}", partition="train") for number in range(40)]
    rows += [row(100 + number, repo="r0", partition="test") for number in range(3)]
    splits, account = prepare(monkeypatch, tmp_path, {"a": rows}, split_by="repo", validation_fraction=0)
    assert {one["repo"] for one in splits["train"]} == {"r1", "r2", "r3"} and len(splits["test"]) == 3
    assert account["dropped"]["origin_in_another_split"] == 10 and settled(account)


def test_a_source_without_repositories_cannot_be_split_by_them(monkeypatch, tmp_path):
    told = r"^--split_by repo: no record of the source b names its repo; map the column \(corpus.sources.b.columns\)"
    sources = {"a": [row(number, repo="r") for number in range(9)], "b": [row(number) for number in range(20, 40)]}
    with pytest.raises(UserError, match=told):
        prepare(monkeypatch, tmp_path, sources, split_by="repo")
