"""What a source holds is found, counted and drawn, however it is read."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from seesay.data import open_source
from seesay.data.inspect import Inspection, useless_kind
from seesay.data.repeats import Repeats
from seesay.data.source import Damaged, Example

GOOD = ("a red house by the sea", "two dogs run")


def write(path, size, seed, **options):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Eight examples: six pictures that can be read, two of one content, one with a long caption; two that cannot."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in range(4):
        write(folder / f"{number}.png", (40, 20), seed=number)
        (folder / f"{number}.txt").write_text("\n".join(GOOD) if number else "a red house by the sea")
    write(folder / "4.jpg", (3000, 1000), seed=4, exif=turned)
    (folder / "4.txt").write_text("word " * 90)
    (folder / "5.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "5.txt").write_text("IMG_0005.JPG")
    (folder / "6.png").write_bytes((folder / "0.png").read_bytes()[:200])
    (folder / "6.txt").write_text("half a file")
    write(folder / "7.png", (5, 5), seed=7)
    (folder / "7.txt").write_text("\n")
    return folder


def findings(source, **options):
    inspection = Inspection()
    inspection.read(open_source(str(source)), **options)
    return inspection.findings()


def test_everything_is_counted_once(folder):
    found = findings(folder)
    assert (found.num_examples, found.num_pictures, found.num_bad) == (8, 6, 2)
    assert found.is_whole
    assert found.formats == {"PNG": 5, "JPEG": 1}
    assert found.num_captions == 1 + 3 * 2 + 1 + 1
    assert (found.captions_an_image.min, found.captions_an_image.max) == (1, 2)
    assert found.characters.min == len("two dogs run")


def test_sizes_are_of_the_file_and_upright(folder):
    found = findings(folder)
    # the JPEG is decoded at a reduced scale, and stands on its side
    assert (found.width_px.max, found.height_px.max) == (1000, 3000)
    assert found.megapixels.max == 3.0
    assert found.aspect.min == pytest.approx(1 / 3)
    assert found.aspect.median == 2


def test_tokens_are_those_of_clip_and_what_would_be_cut_is_a_share(folder):
    found = findings(folder)
    assert found.tokens.max == 92  # 90 words, start and end
    assert found.tokens.min == 2 + len(("two", "dogs", "run"))
    assert found.share_cut == 1 / found.num_captions


def test_what_comes_twice_is_named(folder):
    found = findings(folder)
    assert found.repeated_pictures.count == 1
    ((name, count),) = found.repeated_pictures.most_common
    assert name.endswith((f"{folder.name}/0.png", f"{folder.name}/5.png"))
    assert count == 2
    assert found.repeated_captions.count == 3 + 2
    assert found.repeated_captions.most_common == ((GOOD[0], 4), (GOOD[1], 3))


def test_bad_examples_have_reasons(folder):
    found = findings(folder)
    reasons = {bad.key.rsplit("/", 1)[-1]: bad.reason for bad in found.bad}
    assert "cut short" in reasons["6.png"]
    assert reasons["7.png"] == "has no caption"
    assert sum(found.bad_reasons.values()) == 2


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("http://example.com/a b", None),
        ("https://example.com/a.jpg", "address"),
        ("DSC_0123.JPG", "file name"),
        ("IMG 20210304-112233", "file name"),
        ("Screenshot 2021-03-04", "file name"),
        ("12:30 - 45", "no letter"),
        ("architecture", "one word"),
        ("犬が走る", None),
        ("a dog", None),
        ("image of a dog", None),
    ],
)
def test_captions_that_say_next_to_nothing(caption, kind):
    assert useless_kind(caption) == kind


def test_useless_captions_are_a_share_with_examples(folder):
    found = findings(folder)
    (useless,) = found.useless_captions.values()
    assert list(found.useless_captions) == ["file name"]
    assert (useless.count, useless.share, useless.examples) == (1, 1 / 9, ("IMG_0005.JPG",))


def test_a_limit_reads_that_many_and_says_that_it_is_not_all(folder):
    found = findings(folder, limit=3)
    assert (found.num_examples, found.is_whole) == (3, False)
    assert findings(folder, limit=8) == findings(folder)


def test_tars_are_found_to_hold_what_the_folder_holds(folder, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    one, other = findings(folder), findings(tmp_path / "a.tar")
    for name in ("formats", "width_px", "aspect", "tokens", "captions_an_image", "num_bad", "useless_captions"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.repeated_pictures.count == other.repeated_pictures.count


class Endless:
    """A source without end, which somebody stops."""

    def __init__(self, stop_after):
        self._stop_after = stop_after

    def stream(self, one, start=()):
        content = io.BytesIO()
        Image.new("RGB", (8, 8)).save(content, "PNG")
        for number in range(10**9):
            if number == self._stop_after:
                raise KeyboardInterrupt
            example = Damaged(str(number), f"stands at byte {number}") if number % 2 else None
            yield example or Example(str(number), content.getvalue(), ("a black square",)), (number,)


def test_stopped_it_knows_what_it_read():
    inspection = Inspection(sheet_size=3)
    with pytest.raises(KeyboardInterrupt):
        inspection.read(Endless(100))
    found = inspection.findings()
    assert 50 < found.num_examples <= 100
    assert not found.is_whole
    assert found.bad_reasons == {"stands at byte N": found.num_bad}
    assert len(found.bad) == 20
    assert len(inspection.tiles()) == 3


def test_the_sheet_is_a_draw_of_all_that_the_seed_decides(folder):
    def drawn(seed):
        inspection = Inspection(sheet_size=2, seed=seed)
        inspection.read(open_source(str(folder)))
        return [tile.text for tile in inspection.tiles()]

    draws = [drawn(seed) for seed in range(12)]
    assert draws[0] == drawn(0)
    assert all(len(draw) == 2 for draw in draws)
    assert {text for draw in draws for text in draw} >= {"IMG_0005.JPG", GOOD[0]}


def test_nothing_at_all_has_no_spread():
    found = Inspection().findings()
    assert (found.num_examples, found.tokens, found.share_cut) == (0, None, 0)


def test_repeats_are_exact_while_they_fit_and_an_estimate_after():
    exact, sampled = Repeats(), Repeats(limit=200)
    digests = np.random.default_rng(0).integers(0, 2**63, 4000).tolist()
    for digest in digests + digests[:2000] + digests[:2000]:
        exact.add(digest, str(digest))
        sampled.add(digest, str(digest))
    assert exact.result().count == 4000
    assert (exact.result().share, exact.result().sampled) == (0.5, 1)
    assert [count for _, count in exact.result().most_common] == [3] * 5
    assert sampled.result().sampled <= 200 / 4000 * 2
    # about 125 to 200 contents are in the sample: their mean is off by a twelfth, three times that is allowed
    assert sampled.result().count == pytest.approx(4000, rel=0.25)
    assert sampled.result().share == pytest.approx(0.5, abs=0.1)
