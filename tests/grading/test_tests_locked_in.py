"""What a test does with a candidate's answer, a text that it executes or a path that it opens, harms nobody."""

import os
import subprocess

import pytest

from codestill.grading.sandbox.cradle import Refused
from codestill.grading.sandbox.isolation import LEVELS, named
from codestill.grading.sandbox.pool import Job, Pool
from codestill.grading.sandbox.surroundings import FILE_BYTES, FOLDER_BYTES, Files
from codestill.grading.sandbox.worker import Bench
from codestill.kit.program import UserError

LOCKED = [level.name for level in LEVELS if level.acceptable]
# What a test does with the answer, what the candidate answers, and the verdict's kinds. FOLDER is somebody else's.
ANSWERS = {
    "a text that writes": ("eval(answer)", "open('FOLDER/new', 'w') and 5"),
    "a text that removes": ("exec(answer)", "import os; os.remove('FOLDER/victim')"),
    "a text that reads": ("assert 'hunter2' in eval(answer)", "open('FOLDER/victim').read()"),
    "a text that starts a program": ("assert eval(answer) == 0", "__import__('os').system('touch FOLDER/new')"),
    "a text that forks": ("assert eval(answer) >= 0", "__import__('os').fork()"),
    "a text that kills": ("eval(answer)", "__import__('os').kill(VICTIM, 9)"),
    "a text that connects": ("eval(answer)", "__import__('socket').socket()"),
    "a pickle": (
        "import pickle; assert pickle.loads(answer.encode('latin-1')) == 0",
        "cposix\nsystem\n(S'touch FOLDER/new'\ntR.",
    ),
    "a path to remove": ("import os; os.remove(answer)", "FOLDER/victim"),
    "a path to write": ("open(answer, 'w').write('x')", "FOLDER/victim"),
    "a path to read": ("assert open(answer).read()", "FOLDER/victim"),
    "a folder to remove": ("import shutil; shutil.rmtree(answer)", "FOLDER"),
    "a program to run": ("import subprocess; subprocess.run(answer, shell=True, check=True)", "touch FOLDER/new"),
}


def at(level, count=2):
    """A pool at a level. Skips where this machine does not offer it."""
    try:
        return Pool(count, 1 << 30, wanted=level)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=LOCKED)
def outcomes(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    (folder / "victim").write_text("hunter2")
    victim = subprocess.Popen(["sleep", "600"])
    jobs = []
    for name, (use, answer) in ANSWERS.items():
        answer = answer.replace("FOLDER", str(folder)).replace("VICTIM", str(victim.pid))
        test = f"def check(candidate):\n    answer = candidate()\n    {use}\n"
        row = {"task_id": name, "prompt": "def f():\n", "entry_point": "f", "test": test}
        jobs.append(Job(name, row, f"def f():\n    return {answer!r}\n"))
    with at(request.param) as pool:
        yield dict(pool.run(jobs, 5.0)), folder, victim
    victim.kill()
    victim.wait()


def test_no_answer_harms_others(outcomes):
    _, folder, victim = outcomes
    assert [path.name for path in folder.iterdir()] == ["victim"]
    assert (folder / "victim").read_text() == "hunter2" and victim.poll() is None


def test_none_of_them_passes(outcomes):
    kinds = {name: outcome["kind"] for name, outcome in outcomes[0].items()}
    assert set(kinds.values()) <= {"cannot be judged here", "assertion", "exception"}, kinds
    assert kinds["a path to write"] == kinds["a text that forks"] == "cannot be judged here"
    assert "hunter2" not in str(outcomes[0])


@pytest.mark.parametrize("level", LOCKED)
def test_a_text_that_is_right_passes(level):
    test = (
        "import tempfile\n\n\ndef check(candidate):\n    assert eval(candidate(2, 3)) == 5\n"
        "    with tempfile.NamedTemporaryFile('w+') as f:\n        f.write(candidate(1, 1))\n        f.seek(0)\n"
        "        assert eval(f.read()) == 2\n"
    )
    row = {"task_id": "Own/0", "prompt": "def f(a, b):\n", "entry_point": "f", "test": test}
    with at(level, 1) as pool:
        [(_, outcome)] = pool.run([Job(0, row, "def f(a, b):\n    return f'{a} + {b}'\n")], 5.0)
    assert outcome["kind"] == "passed", outcome


def test_no_test_runs_where_its_process_cannot_be_locked_in(tmp_path):
    private = os.pipe()
    bench = Bench(private, 1 << 30, str(tmp_path / "missing"), named("namespaces+seccomp"))
    with pytest.raises(Refused, match="locked in"):
        bench.start()
    bench.end()


def test_a_folder_that_is_kept_alike_has_limits(tmp_path):
    kept = Files(tmp_path)
    most = b"x" * FILE_BYTES
    kept.apply([(str(number), most) for number in range(FOLDER_BYTES // FILE_BYTES)])
    for more in ([("one more", b"x")], [(f"n{number}", b"") for number in range(1001)], [("../out", b"")]):
        with pytest.raises(ValueError):
            kept.apply(more)
    kept.apply([("0", None), ("one more", b"x")])  # the one makes room for the other
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "3", "one more"]
    (tmp_path / "large").write_bytes(most + b"x")
    with pytest.raises(ValueError, match="16 MiB"):
        kept.changes()
