"""A service as a user starts it."""

import contextlib
import re
import subprocess

from program import SEESAY

ADDRESS = re.compile(r"http://\S+:(\d+)")


@contextlib.contextmanager
def serving(run, *arguments):
    """A running service; the process and its address."""
    process = subprocess.Popen(
        [SEESAY, "serve", "--port", "0", *arguments],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=run.environment,
    )  # fmt: skip
    try:
        line = process.stderr.readline()
        found = ADDRESS.search(line)
        assert found, line + process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()
