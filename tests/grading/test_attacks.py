"""Hostile programs get the right verdict and leave nothing behind: no file, no process, no secret, no delay."""

import contextlib
import json
import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from codestill.grading.grader import verdict
from codestill.grading.sandbox.pool import Job, Pool
from grading.attacks import ATTACKS, PROBLEM, RIGHT

SECRET = "hunter2-of-the-tests"
TIMEOUT = 1.5


def _tree(folder):
    """Every path below a folder with what could have been changed about it."""
    return {
        path: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


class Field:
    """What the attacks may hit, and what came of them: `outcomes` by name."""

    def __init__(self, folder):
        self.folder = folder
        folder.chmod(0o777)
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o666)
        (folder / "victim").write_text("unchanged")
        (folder / "victim").chmod(0o666)
        self.before = _tree(folder)
        self.servers = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        self.servers[0].bind(("127.0.0.1", 0))
        port = self.servers[0].getsockname()[1]
        self.servers[1].bind(("127.0.0.1", port))
        self.servers[0].listen()
        self.replace = {"SECRET_FILE": str(folder / "secret"), "VICTIM": str(folder / "victim"), "PORT": str(port)}

    def source(self, completion):
        """The program of a completion, aimed at this field."""
        for name, value in self.replace.items():
            completion = completion.replace(name, value)
        return PROBLEM["prompt"] + completion + "\n\n"

    def heard(self):
        """What the servers heard."""
        heard = []
        for server, listen in zip(self.servers, ("accept", "recv"), strict=True):
            server.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                heard.append(getattr(server, listen)(*([10] if listen == "recv" else [])))
        return heard


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    field = Field(tmp_path_factory.mktemp("field"))
    programs = {name: completion for name, (completion, _) in ATTACKS.items()} | RIGHT
    # Between them a right one, timed: what an attack leaves running or holds would slow it down or fail it.
    jobs = []
    for name, completion in programs.items():
        jobs.append(Job(name, PROBLEM, field.source(completion)))
        jobs.append(Job(("after", name), PROBLEM, field.source(f"    return a + b  # after {name}\n")))
    os.environ["CODESTILL_SECRET"] = SECRET
    field.scratch = set(Path("/tmp").glob("grading-*"))
    with Pool(2, 512 << 20) as pool:
        field.level = pool.level
        field.outcomes = dict(pool.run(jobs, TIMEOUT))
        field.workers = len(pool.workers)
        field.left = psutil.Process().children(recursive=True)
    del os.environ["CODESTILL_SECRET"]
    yield field
    for server in field.servers:
        server.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_gets_the_right_verdict(field, name):
    outcome = field.outcomes[name]
    assert outcome["kind"] in ATTACKS[name][1], outcome
    assert not verdict(outcome)["passed"]


@pytest.mark.parametrize("name", RIGHT)
def test_right_program_passes(field, name):
    assert field.outcomes[name]["kind"] == "passed", field.outcomes[name]


def test_there_are_forty_attacks():
    assert len(ATTACKS) >= 40


def test_neighbours_pass_and_are_not_slowed_down(field):
    after = {name[1]: outcome for name, outcome in field.outcomes.items() if isinstance(name, tuple)}
    assert len(after) == len(ATTACKS) + len(RIGHT)
    assert {name: outcome for name, outcome in after.items() if outcome["kind"] != "passed"} == {}
    assert max(outcome["seconds"] for outcome in after.values()) < 0.5 * TIMEOUT


def test_no_file_is_changed_and_none_is_left(field):
    assert _tree(field.folder) == field.before
    assert set(Path("/tmp").glob("grading-*")) <= field.scratch


def test_no_process_is_left(field):
    # While the pool stood there were only its own: to a worker two processes of its zygote's, one of the tests'.
    assert len(field.left) <= 4 * field.workers
    deadline = time.monotonic() + 5
    while any(process.is_running() for process in field.left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [process for process in field.left if process.is_running()] == []


def test_no_secret_is_in_a_verdict(field):
    told = json.dumps(list(field.outcomes.values()))
    assert SECRET not in told and "root:" not in told


def test_nothing_was_sent(field):
    assert field.heard() == []
