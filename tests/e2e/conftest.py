import os
import subprocess

import pytest
from painting import paint
from program import SEESAY


@pytest.fixture
def run(tmp_path):
    """Run `seesay` as a user would; nothing of this machine's user is touched."""
    environment = {
        **os.environ,
        "SEESAY_LIBRARY": str(tmp_path / "library"),
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }

    def run(*arguments, code=0, text=True, **options):
        done = subprocess.run(
            [SEESAY, *arguments], capture_output=True, text=text, cwd=tmp_path, env=environment, timeout=120, **options
        )
        assert done.returncode == code, done.stderr
        return done

    run.environment = environment
    return run


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in {"red": (220, 10, 10), "green": (10, 200, 10), "blue": (10, 10, 220)}.items():
        paint(folder / f"{name}.png", colour)
    return folder
