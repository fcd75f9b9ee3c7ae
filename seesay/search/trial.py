"""Reading a file in a process of its own, to see whether that process ends.

Two runs that ended while a file was read may have been killed for any reason. So before it is passed over it is read
once more where its decoder can do no harm. A new process and not a copy of this one: a copy of a process with threads
may wait for ever for a lock that one of them held.
"""

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace

from seesay.inputs.transform import ImageConfig, ImageTransform
from seesay.inputs.video import is_video
from seesay.search.detail import Detail
from seesay.search.reading import Wanted, read_parts, read_picture

LIMIT_S = 60.0  # the largest picture takes a few seconds, and starting Python one
COMMAND = (sys.executable, "-m", "seesay.search.trial")
_SURVIVED = b"survived\n"


def is_survived(wanted: Wanted, transform: ImageTransform) -> bool:
    """Whether a process that reads the file ends by itself, in time; of a video or a file of pages its next part.

    Where no process can be started nobody knows, and the answer is no.
    """
    asked = {
        "path": base64.b64encode(wanted.path).decode(),
        "detail": wanted.detail.to_text(),
        "position_s": wanted.position_s,
        "position_track": wanted.position_track,
        "image": transform.config.to_dict(),
    }
    try:
        done = subprocess.run(  # noqa: S603 (it is ourselves)
            COMMAND, input=json.dumps(asked).encode(), capture_output=True, timeout=LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.endswith(_SURVIVED)


def main() -> None:
    """Read the file that standard input names, and say so on standard output. What Python raises is no end."""
    asked = json.loads(sys.stdin.buffer.read())
    wanted = Wanted(
        path=base64.b64decode(asked["path"]),
        size_bytes=0,
        mtime_ns=0,
        is_known=False,
        detail=Detail.from_text(asked["detail"]),
    )
    wanted = replace(wanted, position_s=asked["position_s"], position_track=asked["position_track"])
    transform = ImageTransform(ImageConfig.from_dict(asked["image"]))
    if is_video(os.fsdecode(wanted.path)) or read_picture(wanted, frozenset(), transform).has_parts:
        next(read_parts(wanted, b"", transform), None)
    sys.stdout.buffer.write(_SURVIVED)
    sys.stdout.buffer.flush()
    os._exit(0)  # threads that decode ahead have nobody who waits for them


if __name__ == "__main__":
    main()
