"""How near our vectors are to open_clip's and transformers', with the same random weights, as a table.

    python bench/parity.py [--json FILE]

The models are those of `tests/parity`: the real widths and heads, one or two layers, no download.
"""

import argparse
import importlib
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def rows() -> Iterator[dict[str, Any]]:
    """One row for each architecture, side and reference."""
    sys.path[:0] = [str(ROOT / "tests" / "parity"), str(ROOT / "tests")]
    importlib.import_module("conftest")  # makes the references importable
    warnings.simplefilter("ignore")
    import torch

    from seesay.models.variants import VARIANTS

    torch.set_num_threads(1)
    references = importlib.import_module("references")
    for library, names in (
        ("open_clip", importlib.import_module("test_models_open_clip").distinct()),
        ("transformers", importlib.import_module("test_models_transformers").NAMES),
    ):
        module = importlib.import_module(library)
        for name in names:
            config = references.shrink(VARIANTS[name].model)
            clip = references.ours(config)
            if library == "open_clip":
                theirs = references.open_clip_vectors(references.open_clip_model(module, name, config, clip), config)
            else:
                theirs = references.hf_vectors(references.hf_model(module, config, clip), config)
            for side, one, other in zip(("image", "text"), references.vectors(clip, config), theirs, strict=True):
                cosine, difference = references.compare(one, other)
                label = f"{library} {module.__version__}"
                yield {"model": name, "side": side, "reference": label, "cosine": cosine, "difference": difference}


def main() -> None:
    """Print the table; with --json also write its numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = []
    print("| model | side | reference | lowest cosine | largest difference |")
    print("|---|---|---|---|---|")
    for row in rows():
        table.append(row)
        cells = f"{row['model']} | {row['side']} | {row['reference']} | {row['cosine']:.9f} | {row['difference']:.1e}"
        print(f"| {cells} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
