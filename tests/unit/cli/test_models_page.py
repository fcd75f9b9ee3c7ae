"""docs/models.md is what the catalog says."""

from pathlib import Path

from seesay.cli.models import render_models_page
from seesay.encoders.catalog import CATALOG

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"


def test_the_model_page_is_up_to_date(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_MODELS", str(tmp_path))
    assert PAGE.read_text("utf-8") == render_models_page(), "run `make docs`"


def test_every_model_has_a_row_with_its_source():
    page = PAGE.read_text("utf-8")
    assert CATALOG
    for entry in CATALOG.values():
        assert f"| `{entry.name}` |" in page
        assert f"https://huggingface.co/{entry.repo})" in page
