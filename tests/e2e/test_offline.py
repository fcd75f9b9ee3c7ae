"""Nothing leaves the machine, and nothing is left on it outside seesay's own folders."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from painting import paint
from program import SEESAY

LOOKUPS = Path(__file__).parents[1] / "lookups.py"
ASKS_AFTER_S = 12.5  # ONNX Runtime 1.32, left to itself, asks for its maker's server within 11 s
ENCODE = "import sys, time, seesay; seesay.load().encode_texts(['a cat']); time.sleep(float(sys.argv[1]))"


@pytest.fixture
def home(tmp_path):
    """The home of somebody who has never run anything, with a picture beside it."""
    paint(tmp_path / "photo.png", (220, 10, 10))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def environment(home):
    """Without any variable that this test's own process may have set; one asks for what must not be."""
    ours = {"PATH": os.environ["PATH"], "HOME": str(home), "ORT_DISABLE_TELEMETRY": "0", "TMPDIR": str(home)}
    return ours | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def test_only_the_library_is_written(home):
    photo = home.with_name("photo.png")

    def run(*arguments):
        subprocess.run(arguments, env=environment(home), cwd=home, check=True, capture_output=True, timeout=60)

    run(SEESAY, "index", photo)
    run(SEESAY, "search", "a cat", "--weak")
    run(SEESAY, "classify", photo, "--labels", "cat,dog")
    run(sys.executable, "-c", ENCODE, "0")
    with subprocess.Popen(
        [SEESAY, "serve", "--port", "0"], env=environment(home), stderr=subprocess.PIPE, text=True
    ) as serving:
        address = serving.stderr.readline().split()[3]
        while True:
            try:
                urllib.request.urlopen(f"{address}/readyz").close()
                break
            except urllib.error.HTTPError:  # 503: it loads
                time.sleep(0.1)
        serving.terminate()
        assert serving.stderr.read() == ""
    files = [path.relative_to(home) for path in home.rglob("*") if not path.is_dir()]
    assert files
    assert all(path.is_relative_to(".local/share/seesay") for path in files), files


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_no_name_is_looked_up_and_nobody_is_called(home):
    separate = ["unshare", "--net", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*separate, "true"], capture_output=True).returncode:
        pytest.skip("to be alone in a network takes root")
    subprocess.run([SEESAY, "index", home.with_name("photo.png")], env=environment(home), check=True)
    commands = home.with_name("commands.json")
    commands.write_text(
        json.dumps(
            {
                "environment": environment(home),
                "timeout_s": ASKS_AFTER_S,
                "commands": [
                    [sys.executable, "-c", ENCODE, str(ASKS_AFTER_S)],
                    [str(SEESAY), "serve", "--port", "0"],
                    [str(SEESAY), "watch"],
                    [str(SEESAY), "search", "a cat", "--weak"],
                ],
            }
        )
    )
    done = subprocess.run(
        [*separate, sys.executable, LOOKUPS, commands], capture_output=True, text=True, check=True, timeout=60
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert set(seen) == {"watched.invalid"}, "the one look-up of the watcher itself, and no other"
