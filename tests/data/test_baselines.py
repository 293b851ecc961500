"""The baselines solve what a look-up can, abstain where it cannot, and their samples are graded like any."""

import sys

import pytest

import baselines
import grade
from codestill.data.baselines import ABSTAINS, MinimalPairs, NearestNeighbour, NGram, PhraseTable
from codestill.data.slots import Slots, code_tokens, function_of, problem_of
from codestill.kit.files import read_json, read_jsonl, write_jsonl


def record(name, argument, docstring, body):
    lines = "\n".join(f"    {line}" for line in body)
    return {
        "code": f'def {name}({argument}):\n    """{docstring}"""\n{lines}',
        "docstring": docstring,
        "func_name": name,
    }


def task(number, docstring, solution, tests, argument="prices"):
    prompt = f'def solve({argument}):\n    """{docstring}"""\n'
    test = "def check(candidate):\n" + "".join(f"    assert candidate({given}) == {right}\n" for given, right in tests)
    fields = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
    return dict(zip(fields, (f"Own/{number}", prompt, "solve", solution, test), strict=True))


TRAINING = [
    record("a", "numbers", "Drop the first 3. Return the sum.", ["numbers = numbers[3:]", "return sum(numbers)"]),
    record("b", "values", "Reverse the values. Return the largest.", ["values = values[::-1]", "return max(values)"]),
    record("c", "words", "Return the longest of the words.", ["return max(words, key=len)"]),
    record("d", "numbers", "Return the number above 4.", ["return [number for number in numbers if number > 4]"]),
    record("e", "xs", "Take the even xs and return their sum.", ["return sum(x for x in xs if x % 2 == 0)"]),
    record("f", "xs", "Take the odd xs and return their sum.", ["return sum(x for x in xs if x % 2 == 1)"]),
    record("g", "xs", "Take the odd xs and return their number.", ["return len([x for x in xs if x % 2 == 1])"]),
]
LINES = task(1, "Drop the first 2. Return the largest.", "", [("[9, 1, 2, 3]", "3")])
NAMES = task(2, "Return the price above 6.", "", [("[5, 6, 7]", "[7]")])
PAIR = task(3, "Take the even prices and return their number.", "", [("[1, 2, 4]", "2"), ("[]", "0")])


def test_a_phrase_table_solves_what_is_line_for_line_with_other_names_and_numbers():
    table = PhraseTable(TRAINING)
    assert table.complete(problem_of(LINES)) == "    prices = prices[2:]\n    return max(prices)\n"
    assert table.complete(problem_of(PAIR)) == ABSTAINS


def test_the_nearest_neighbour_is_adapted():
    nearest = NearestNeighbour(TRAINING)
    assert nearest.complete(problem_of(NAMES)) == "    return [local_0 for local_0 in prices if local_0 > 6]\n"
    far = task(4, "Zzz.", "", [])
    assert nearest.complete(problem_of(far)) == ABSTAINS


def test_minimal_pairs_swap_one_phrase_as_training_does():
    pairs = MinimalPairs(TRAINING)
    assert pairs.complete(problem_of(PAIR)) == "    return len([local_0 for local_0 in prices if local_0 % 2 == 0])\n"
    assert MinimalPairs(TRAINING[:5]).complete(problem_of(PAIR)) == ABSTAINS


def test_an_n_gram_model_goes_on_as_training_does_and_stops_with_it():
    code = TRAINING[2]["code"]
    prompt = code.partition("    return")[0]
    model = NGram([TRAINING[2]], order=10)
    problem = problem_of({"prompt": prompt, "entry_point": "c"})
    assert model.complete(problem) == "    return max(words, key=len)\n"
    assert len(code_tokens(NGram([TRAINING[2]], order=1).complete(problem))) <= NGram.LONGEST + 1


def test_tokens_join_to_the_code_and_slots_are_filled_back():
    code = "x = {'a': \"b\\\"c\"}\n    if x >= 10.5:\n        return x['a'] # ü\n"
    assert "".join(code_tokens(code)) == code
    function = function_of(TRAINING[3]["code"])
    slots = Slots(function, function.docstring)
    assert "4" not in slots.words and "number" not in slots.words
    assert slots.filled(slots.code(function.lines[0])) == "return [local_0 for local_0 in numbers if local_0 > 4]"
    assert function_of("print 'no'") is None and problem_of({"prompt": "def (", "entry_point": "f"}) is None


@pytest.mark.parametrize(
    "name, passed",
    [("phrase_table", [1, 1, 0]), ("nearest_neighbour", [0, 1, 0]), ("minimal_pairs", [0, 1, 1]), ("ngram", [0, 0, 0])],
)
def test_samples_are_graded_like_any_others(monkeypatch, tmp_path, name, passed):
    paths = {part: tmp_path / f"{part}.jsonl" for part in ("train", "benchmark", "output", "verdicts")}
    write_jsonl(paths["train"], TRAINING)
    write_jsonl(paths["benchmark"], [LINES, NAMES, PAIR])
    flags = [f"--train={paths['train']}", f"--benchmark={paths['benchmark']}", f"--output={paths['output']}"]
    monkeypatch.setattr(sys, "argv", ["baselines.py", f"--baseline={name}", *flags])
    baselines.main()
    flags = [f"--benchmark={paths['benchmark']}", f"--samples={paths['output']}", f"--verdicts={paths['verdicts']}"]
    monkeypatch.setattr(sys, "argv", ["grade.py", *flags, f"--scores={tmp_path / 's.json'}", "--k=1", "--workers=1"])
    grade.main()
    assert [row["passed"] for row in read_jsonl(paths["verdicts"])] == [bool(one) for one in passed]
    assert read_json(tmp_path / "s.json")["pass@1"] == pytest.approx(sum(passed) / 3)
