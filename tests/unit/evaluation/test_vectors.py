"""Every picture is encoded once, whatever interrupts it."""

import os
from pathlib import Path

import numpy as np
import pytest
from archives import plain
from encoders import ColourEncoder

from seesay.base.errors import DataError
from seesay.evaluation.adapters import Wrapped
from seesay.evaluation.datasets.pictures import Files, Part
from seesay.evaluation.vectors import FEATURES, IMAGES, Progress, encode_all, sight_of, vectors_folder

NUM, BLOCK = 22, 5


@pytest.fixture
def files(tmp_path):
    paths = []
    for number in range(NUM):
        path = tmp_path / "pictures" / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(plain((10 * number, 255 - 10 * number, 90)))
        paths.append(path)
    return Files(paths, tmp_path / "pictures")


def run(files, folder, encoder, *, with_features=False, report=lambda _: None):
    return encode_all(files, sight_of(encoder, with_features=with_features), folder, report=report, block=BLOCK)


class Failing(ColourEncoder):
    """Breaks off in its third block, as a kill does."""

    def encode_pixels(self, pixels):
        if self.num_pixels >= 2 * BLOCK:
            raise KeyboardInterrupt
        return super().encode_pixels(pixels)


def test_vectors_are_those_of_the_encoder_one_by_one(files, tmp_path):
    encoder = ColourEncoder()
    expected = encoder.encode_images([files[number] for number in range(NUM)])
    for folder in (None, tmp_path / "vectors"):
        np.testing.assert_allclose(run(files, folder, encoder).rows[IMAGES], expected, atol=1e-6)


def test_a_second_run_encodes_nothing(files, tmp_path):
    first, second = ColourEncoder(), ColourEncoder()
    rows = run(files, tmp_path / "vectors", first).rows[IMAGES]
    again = run(files, tmp_path / "vectors", second).rows[IMAGES]
    assert (first.num_pixels, second.num_pixels) == (NUM, 0)
    np.testing.assert_array_equal(rows, again)


def test_it_goes_on_where_it_was_broken_off(files, tmp_path):
    broken, second = Failing(), ColourEncoder()
    with pytest.raises(KeyboardInterrupt):
        run(files, tmp_path / "vectors", broken)
    told = []
    rows = run(files, tmp_path / "vectors", second, report=told.append).rows[IMAGES]
    assert broken.num_pixels == 2 * BLOCK
    assert second.num_pixels == NUM - 2 * BLOCK
    assert (told[0], told[-1]) == (Progress(2 * BLOCK, NUM), Progress(NUM, NUM))
    np.testing.assert_array_equal(rows, run(files, None, ColourEncoder()).rows[IMAGES])


@pytest.mark.parametrize("torn", [b'{"number": 0, "blo', b"no json\n", b"\x00\x00"])
def test_a_line_that_was_cut_off_costs_its_own_block_only(files, tmp_path, torn):
    folder = tmp_path / "vectors"
    run(files, folder, ColourEncoder())
    journal = folder / "blocks.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[1:]) + torn)
    for num in (BLOCK, 0):
        encoder = ColourEncoder()
        run(files, folder, encoder)
        assert encoder.num_pixels == num


def test_rows_that_are_gone_are_made_again(files, tmp_path):
    folder = tmp_path / "vectors"
    run(files, folder, ColourEncoder())
    (folder / "images.npy").write_bytes(b"no array")
    encoder = ColourEncoder()
    rows = run(files, folder, encoder).rows[IMAGES]
    assert encoder.num_pixels == NUM
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_features_come_in_the_same_pass_and_serve_the_next(files, tmp_path):
    one, other = ColourEncoder(), ColourEncoder()
    encoded = run(files, tmp_path / "vectors", one, with_features=True)
    assert one.num_pixels == NUM
    np.testing.assert_allclose(encoded.rows[FEATURES], 3 * encoded.rows[IMAGES], rtol=1e-6)
    run(files, tmp_path / "vectors", other)
    assert other.num_pixels == 0


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("bad", [{3}, set(range(BLOCK)), {0, 7, NUM - 1}])
def test_a_picture_that_cannot_be_read_is_zeros_and_named(files, tmp_path, bad, keeps):
    for number in bad:
        files[number].write_bytes(b"no picture")
    folder = tmp_path / "vectors" if keeps else None
    for _ in range(2):  # the second time it is remembered
        encoded = run(files, folder, ColourEncoder())
        assert set(encoded.unreadable) == bad
        assert set(np.flatnonzero(~encoded.rows[IMAGES].any(axis=1))) == bad
        assert all(encoded.unreadable.values())


def test_no_readable_picture_at_all_is_an_error_that_names_one(files, tmp_path):
    for number in range(NUM):
        files[number].write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"none of the 22 .*00\.png"):
        run(files, tmp_path / "vectors", ColourEncoder())


def test_a_changed_picture_or_order_is_another_digest(files, tmp_path):
    paths, root = [files[number] for number in range(NUM)], tmp_path / "pictures"
    assert Files(paths, root).digest == files.digest
    assert Files(paths[::-1], root).digest != files.digest
    assert Files(paths[:-1], root).digest != files.digest
    parts = [Part(files, np.array(numbers)).digest for numbers in ([0, 1], [1, 0], [0, 1, 2])]
    assert len({*parts, files.digest}) == 4
    content, before = paths[4].read_bytes(), paths[4].stat()
    paths[4].write_bytes(content[:-1] + b"!")  # as long as before, and later
    os.utime(paths[4], ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    later = Files(paths, root).digest
    paths[4].write_bytes(content + b"!")  # longer, and as old as before
    os.utime(paths[4], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len({files.digest, later, Files(paths, root).digest}) == 3


def test_folders_of_two_encoders_and_two_sets_are_apart():
    folders = {
        vectors_folder(Path("/cache"), encoder, digest) for encoder in ("org/a@1", "org/b@1") for digest in ("x", "y")
    }
    assert len(folders) == 4
    assert all(folder.parent.parent == Path("/cache/vectors") for folder in folders)


def test_two_functions_are_an_encoder_and_their_rows_are_brought_to_length_1(files):
    seen = []

    def encode_images(some):
        seen.extend(some)
        return [[4.0 * place + 3, 4.0, 0.0] for place in range(len(some))]

    wrapped = Wrapped(id="mine@1", encode_images=encode_images, encode_texts=lambda texts: [[1.0]] * len(texts))
    rows = run(files, None, wrapped).rows[IMAGES]
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0], [0.6, 0.8, 0.0], atol=1e-6)
    assert all(picture.mode == "RGB" for picture in seen)


def test_read_of_a_wrapped_encoder_prepares_each_picture(files):
    wrapped = Wrapped(
        id="mine@1",
        encode_images=lambda some: np.stack(some),
        encode_texts=lambda texts: texts,
        read=lambda picture: np.array(picture.getpixel((0, 0)), np.float32),
    )
    rows = run(files, None, wrapped).rows[IMAGES]
    expected = np.array([(10 * number, 255 - 10 * number, 90) for number in range(NUM)], float)
    np.testing.assert_allclose(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
