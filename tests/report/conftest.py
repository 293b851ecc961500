"""A whole made-up study with its report, made once."""

import pytest
from made_study import make

from codestill.report.build import build


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The results folder of a whole made-up study with its report. Tests copy it before they change anything."""
    folder = make(tmp_path_factory.mktemp("whole") / "results" / "made")
    build(folder / "study.json", folder, folder / "report")
    return folder
