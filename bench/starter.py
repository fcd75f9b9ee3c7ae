"""What the starter scores and how long that takes: zero-shot and calibration, nothing remembered from before.

    python bench/starter.py imagenet-1000.tar cifar10-test-2000.tar [--templates FILE] [--model starter]

Any dataset that `seesay eval --on` takes. Templates are the paper's for the dataset, or those of a file.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from seesay.encoders import load
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.prompts import read_templates
from seesay.evaluation.report import make_rows
from seesay.evaluation.run import evaluate


def main() -> None:
    """Print a line for each figure and the time of each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    options: dict[str, Any] = {"prompts": read_templates(arguments.templates)} if arguments.templates else {}
    encoder = load(arguments.model)
    templates = arguments.templates or "own templates"
    print(f"{encoder.id}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {templates}")
    for dataset in map(open_dataset, arguments.datasets):
        with tempfile.TemporaryDirectory() as cache:
            for task in ("zeroshot", "calibration"):  # the second finds what the first encoded
                begun = time.perf_counter()
                results = evaluate(encoder, [dataset], (task,), options=options, cache=Path(cache))
                seconds = time.perf_counter() - begun
                for row in make_rows(results, [dataset]):
                    print("  ".join(filter(None, row.cells)))
                print(f"{dataset.name}  {task}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
