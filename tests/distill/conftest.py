"""One thread: these models are so small that a second one only waits for the first."""

import pytest
import torch
from trainings import made_home

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A trained teacher, a student and tokens."""
    return made_home(tmp_path_factory.mktemp("home"), 32, (120, 20), width=16)
