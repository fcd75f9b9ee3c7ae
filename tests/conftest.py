"""What holds for every test."""

import pytest
from hypothesis import settings

# The same examples on every machine: whoever looks for a rare one finds it, not whoever pushes next.
settings.register_profile("seesay", derandomize=True, deadline=None)
settings.load_profile("seesay")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory):
    """A random CLIP with its graphs, made once, because tracing takes seconds; to read, not to change."""
    from tiny import CLIP, make_bundle

    from seesay.encoders.export import export

    bundle = make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", CLIP, "clip")
    export(bundle.folder)
    return bundle
