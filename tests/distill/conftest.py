"""One thread: these models are so small that a second one only waits for the first."""

import pytest
import torch

import children
import tiny_models as tiny

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A trained teacher, a student and tokens."""
    root = tmp_path_factory.mktemp("home")
    tiny.model_folder(root / "raw_teacher", width=32, seed=1, resid_pdrop=0.0)
    tiny.model_folder(root / "student", width=16, seed=2)
    tiny.token_set(root / "tokens/train", 120, seed=1)
    tiny.token_set(root / "tokens/validation", 20, seed=2)
    flags = ["--model_path", root / "raw_teacher", "--train_data", root / "tokens/train", "--threads", 1]
    flags += ["--output_dir", root / "teacher", "--num_train_epochs", 4, "--learning_rate", 0.01]
    assert children.run("teach", flags, root / "teach.log") == 0, (root / "teach.log").read_text()
    return root
