"""Whatever ends a grader's processes, in whatever way: none of them lives on, and no folder stays for good."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from codestill.grading.sandbox import scratch
from grading.attacks import PROBLEM
from grading.emulation import USER, Machine, graded, open_folder, pool, sessions

SOURCES = {
    "sleeps": PROBLEM["prompt"] + "    import time\n    time.sleep(99)\n",
    "right": PROBLEM["prompt"] + "    return a + b\n",
}
ASKED = {"problem": PROBLEM, "sources": SOURCES, "timeout": 1.5, "memory": 512 << 20, "count": 1}
MACHINES = [
    Machine("namespaces+landlock+seccomp"),
    Machine("namespaces+landlock+seccomp", USER),
    Machine("landlock+seccomp"),
    Machine("landlock+seccomp", USER),
]


def processes(grader):
    """{role: process} of a grader at work, once its candidate runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.02)
        with contextlib.suppress(psutil.Error, StopIteration):
            worker = next(iter(psutil.Process(grader).children()))
            children = worker.children()
            zygote = next(child for child in children if "zygote" in " ".join(child.cmdline()))
            tests = next(child for child in children if child != zygote)
            chain = [zygote]
            while below := chain[-1].children():
                chain.append(below[0])
            own = 2 if "namespaces" in " ".join(zygote.cmdline()) else 1  # processes of the zygote's
            if len(chain) > own and chain[-1].cpu_times().user >= 0:
                return {"grader": psutil.Process(grader), "worker": worker, "zygote": chain[0], "its inside": chain[-2],
                        "tests": tests, "candidate": chain[-1]}  # fmt: skip
    raise AssertionError("no candidate came")


def gone(session, seconds=10):
    """Whether a session's processes end within some time."""
    deadline = time.monotonic() + seconds
    while sessions(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not sessions(session)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("role", ["grader", "worker", "zygote", "its inside", "tests", "candidate"])
@pytest.mark.parametrize("machine", MACHINES[::3], ids=str)
def test_the_end_of_one_leaves_no_process_and_no_folder(machine, role, number):
    with open_folder() as folder:
        with pool(machine, folder, **ASKED) as grader:
            found = processes(grader.pid)
            found[role].send_signal(number)
            output, _ = grader.communicate(timeout=60)
        assert gone(grader.pid)
        assert list((folder / "temporary").iterdir()) == []
        if role != "grader":
            assert b'"right": {"kind": "passed"' in output


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_the_end_of_all_leaves_no_process_and_a_folder_that_the_next_run_sweeps(machine):
    with open_folder() as folder:
        with pool(machine, folder, **ASKED) as grader:
            processes(grader.pid)
            for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none sees another's end and tidies up
                for pid in sessions(grader.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
        assert gone(grader.pid)
        assert len(list((folder / "temporary").glob("grading-*"))) == 1
        graded(machine, folder, PROBLEM, {"right": SOURCES["right"]}, 3.0)
        assert list((folder / "temporary").iterdir()) == []


def test_folders_of_living_graders_and_of_others_are_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alive, dead = scratch.Scratch(), scratch.Scratch()
    for each in (alive, dead):
        Path(each.path, "file").write_text("x")
    os.close(dead.lock)
    (tmp_path / "other").mkdir()
    (tmp_path / "grading-file").write_text("x")
    (tmp_path / "grading-link").symlink_to(tmp_path / "other")
    scratch.sweep()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {Path(alive.path).name, "other", "grading-file", "grading-link"}
    assert Path(alive.path, "file").exists()
    alive.remove()
    assert not Path(alive.path).exists()


def memory(pid):
    """All that a process holds, as bytes."""
    held = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as image:
        for line in maps:
            (start, end), rights = (int(part, 16) for part in line.split()[0].split("-")), line.split()[1]
            if rights.startswith("rw"):
                with contextlib.suppress(OSError):
                    image.seek(start)
                    held += image.read(end - start)
    return held


@pytest.mark.skipif(os.getuid() != 0, reason="only root may read another process's memory")
@pytest.mark.parametrize(
    "level",
    ["namespaces+landlock+seccomp", "landlock+seccomp", "namespaces+seccomp", "namespaces", "seccomp", "limits"],
)
def test_no_process_that_is_forked_holds_the_text_of_an_earlier_sample(level):
    """Words of earlier samples, in what ran and in what is no Python, are looked for in zygote and candidate."""
    words = [f"Violet{number}" + "Owl" * 3 for number in range(8)]
    kinds = [
        "    {0} = '{0}'\n    return a + b\n",
        "    return '{0}' * 3\n",
        "    return {0} +\n",
        "    raise {0}('{0}')\n",
    ]
    sources = {word: PROBLEM["prompt"] + kinds[place % 4].format(word) for place, word in enumerate(words)}
    sources["sleeps"] = PROBLEM["prompt"] + "    crimson_heron = 7\n    import time\n    time.sleep(99)\n"
    asked = ASKED | {"sources": sources, "timeout": 2.5}
    with open_folder() as folder, pool(Machine(level), folder, **asked) as grader:
        held = {}
        while b"crimson_heron" not in held.get("candidate", b""):  # the last one runs
            with contextlib.suppress(OSError, psutil.Error):
                found = processes(grader.pid)
                held = {role: memory(found[role].pid) for role in ("zygote", "its inside", "candidate")}
        for role, text in held.items():
            assert [word for word in words if word.encode() in text or word.encode("utf-16-le") in text] == [], role
            assert (b"crimson_heron" in text) == (role == "candidate")
        grader.communicate(timeout=60)


WRITES = {
    **PROBLEM,
    "test": (
        "def check(candidate):\n"
        "    import tempfile\n"
        "    open('kept', 'w').write('x')\n"
        "    tempfile.mkstemp()\n"
        "    assert candidate(2, 3) == 5\n"
    ),
}


def test_files_of_the_tests_go_with_their_process():
    """Also where it is killed in the middle; they lie in the worker's folder, which no other run sweeps."""
    sources = {**SOURCES, "right too": PROBLEM["prompt"] + "    return b + a\n"}
    with open_folder() as folder:
        outcomes, _ = graded(MACHINES[0], folder, WRITES, sources, 1.0)
        assert {name: outcome["kind"] for name, outcome in outcomes.items()} == {
            "sleeps": "timeout",
            "right": "passed",
            "right too": "passed",
        }
        assert list((folder / "temporary").iterdir()) == []
