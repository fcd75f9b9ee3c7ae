"""When files were taken. They are written by Pillow and FFmpeg, or byte by byte as the standards say."""

import shutil
import struct
import subprocess
import time
from datetime import UTC, datetime, timedelta, timezone

import av
import numpy as np
import pytest
from films import film
from pictures import box, heic
from PIL import ExifTags, Image, features

from seesay.inputs.dates import read_taken_ns, to_ns

UTC_PLUS_2 = timezone(timedelta(hours=2))
TAKEN = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC_PLUS_2)


def ns(moment):
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def exif(original="2021:03:04 05:06:07", zone="+02:00", **more):
    block = Image.Exif()
    block[ExifTags.Base.Make] = "a camera"  # Pillow leaves a block without anything of its own out of a PNG
    inner = block.get_ifd(ExifTags.IFD.Exif)
    if original:
        inner[ExifTags.Base.DateTimeOriginal] = original
    if zone:
        inner[ExifTags.Base.OffsetTimeOriginal] = zone
    for name, value in more.items():
        (block if name == "DateTime" else inner)[getattr(ExifTags.Base, name)] = value
    return block


def save(path, block):
    Image.new("RGB", (16, 16), "red").save(path, exif=block.tobytes() if block else None)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
def test_every_format_that_pillow_writes_says_when_it_was_taken(tmp_path, suffix):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    assert read_taken_ns(save(tmp_path / f"a.{suffix}", exif())) == ns(TAKEN)


def test_a_heic_says_it(tmp_path):
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    path = tmp_path / "a.heic"
    path.write_bytes(heic(exif=exif().tobytes().removeprefix(b"Exif\0\0")))
    assert read_taken_ns(path) == ns(TAKEN)
    path.write_bytes(heic())
    assert read_taken_ns(path) is None


def test_a_png_that_says_it_behind_its_pixels(tmp_path):
    plain, dated = (save(tmp_path / f"{name}.png", block).read_bytes() for name, block in (("a", None), ("b", exif())))
    at = dated.index(b"eXIf") - 4
    chunk = dated[at : at + 12 + int.from_bytes(dated[at : at + 4], "big")]
    (tmp_path / "late.png").write_bytes(plain[:-12] + chunk + plain[-12:])  # the last 12 bytes are IEND
    assert read_taken_ns(tmp_path / "late.png") == ns(TAKEN)


def test_camera_originals_say_it(tmp_path):
    little = exif()
    little.endian = "<"
    block = little.tobytes().removeprefix(b"Exif\0\0")
    assert block[:4] == b"II*\0"
    for name, content in (
        ("a.cr2", block),
        ("a.orf", b"IIRO" + block[4:]),
        ("a.rw2", b"IIU\0" + block[4:]),
        ("a.raf", raf(save(tmp_path / "a.jpg", exif()).read_bytes())),
        ("a.cr3", cr3(block)),
        (
            "a.jxl",
            box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ", bytes(4), b"jxl ") + box(b"Exif", bytes(4), block),
        ),
    ):
        (tmp_path / name).write_bytes(content)
        assert read_taken_ns(tmp_path / name) == ns(TAKEN), name


def raf(jpeg):
    """Fujifilm's: at 84 is where the JPEG begins, and how long it is."""
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 160, len(jpeg))
    return head.ljust(160, b"\0") + jpeg


def cr3(block):
    """Canon's: boxes as in MP4; EXIF lies in a box of Canon's own."""
    canon = box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), box(b"CNCV", bytes(8)), box(b"CMT1", block))
    return box(b"ftyp", b"crx ", bytes(4), b"crx isom") + box(b"moov", box(b"free"), canon)


def test_a_time_without_a_zone_is_local(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        summer = save(tmp_path / "a.jpg", exif("2021:07:04 05:06:07", zone=""))
        assert read_taken_ns(summer) == ns(datetime(2021, 7, 4, 9, 6, 7, tzinfo=UTC))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_fractions_of_a_second_count(tmp_path):
    path = save(tmp_path / "a.jpg", exif(SubsecTimeOriginal="25"))
    assert read_taken_ns(path) == ns(TAKEN) + 250_000_000


def test_what_was_taken_comes_before_what_was_changed(tmp_path):
    both = {
        "DateTimeDigitized": "2022:01:01 00:00:00",
        "OffsetTimeDigitized": "+00:00",
        "DateTime": "2023:01:01 00:00:00",
    }
    assert read_taken_ns(save(tmp_path / "a.jpg", exif(**both))) == ns(TAKEN)
    assert read_taken_ns(save(tmp_path / "b.jpg", exif("", "", **both))) == ns(datetime(2022, 1, 1, tzinfo=UTC))
    changed = exif("0000:00:00 00:00:00", "", DateTime="2023:01:01 00:00:00", OffsetTime="+00:00")
    assert read_taken_ns(save(tmp_path / "c.jpg", changed)) == ns(datetime(2023, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        '<rdf:Description exif:DateTimeOriginal="2021-03-04T05:06:07+02:00"/>',
        "<photoshop:DateCreated>2021-03-04T05:06:07+02:00</photoshop:DateCreated>",
        "<rdf:Description xmp:CreateDate='2021-03-04T03:06:07Z'/>",
    ],
)
def test_xmp_says_it_where_exif_does_not(tmp_path, text):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=text.encode())
    assert read_taken_ns(tmp_path / "a.jpg") == ns(TAKEN)


EXIFTOOL = {
    "EXIF": ("DateTimeOriginal=2021:03:04 05:06:07", "OffsetTimeOriginal=+02:00"),
    "XMP": ("XMP-photoshop:DateCreated=2021:03:04 05:06:07+02:00",),
    "QuickTime": ("QuickTime:CreateDate=2021:03:04 03:06:07",),
    "Apple": ("Keys:CreationDate=2021:03:04 05:06:07+02:00", "QuickTime:CreateDate=2022:01:01 00:00:00"),
    "iTunes": ("ItemList:ContentCreateDate=2021:03:04 05:06:07+02:00",),
}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_what_exiftool_writes_is_read(tmp_path):
    wanted = {
        "EXIF": ("tif", "jp2"),
        "XMP": ("jpg", "png"),
        "QuickTime": ("mp4",),
        "Apple": ("mov",),
        "iTunes": ("mp4",),
    }
    for suffix in ("jpg", "png", "tif", "jp2"):
        Image.new("RGB", (16, 16)).save(tmp_path / f"a.{suffix}")
    for suffix in ("mov", "mp4"):
        film(tmp_path / f"a.{suffix}", ("red", 1))
    for name, suffixes in wanted.items():
        for suffix in suffixes:
            path = tmp_path / f"{name}.{suffix}"
            tags = [f"-{tag}" for tag in EXIFTOOL[name]]
            subprocess.run(["exiftool", "-q", *tags, "-o", path, tmp_path / f"a.{suffix}"], check=True)
            assert read_taken_ns(path) == ns(TAKEN), (name, suffix)


def test_xmp_says_it_in_a_tiff_and_a_jpeg_2000(tmp_path):
    packet = b"<photoshop:DateCreated>2021-03-04T05:06:07+02:00</photoshop:DateCreated>"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif", tiffinfo={700: packet})
    assert read_taken_ns(tmp_path / "a.tif") == ns(TAKEN)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jp2")
    plain = (tmp_path / "a.jp2").read_bytes()
    block = exif().tobytes().removeprefix(b"Exif\0\0")
    for name, content in ((bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), packet), (b"JpgTiffExif->JP2", block)):
        at = plain.index(b"jp2c") - 4
        (tmp_path / "b.jp2").write_bytes(plain[:at] + box(b"uuid", name, content) + plain[at:])
        assert read_taken_ns(tmp_path / "b.jp2") == ns(TAKEN)


def test_a_photoshop_document_says_it(tmp_path):
    def resource(kind, content, name=b""):
        named = bytes([len(name)]) + name
        return (
            b"8BIM"
            + struct.pack(">H", kind)
            + named
            + bytes(len(named) % 2)
            + struct.pack(">I", len(content))
            + content
        )

    block = exif().tobytes().removeprefix(b"Exif\0\0")
    block += bytes(len(block) % 2)
    packet = b"<photoshop:DateCreated>2021-03-04T05:06:07+02:00</photoshop:DateCreated> "
    for own in (resource(1058, block), resource(1060, packet)):
        resources = resource(1000, bytes(6), b"odd") + resource(1001, bytes(2), b"even") + own
        head = b"8BPS" + struct.pack(">H6xHIIHHI", 1, 3, 1, 1, 8, 3, 0)
        (tmp_path / "a.psd").write_bytes(head + struct.pack(">I", len(resources)) + resources)
        assert read_taken_ns(tmp_path / "a.psd") == ns(TAKEN)


def test_what_says_nothing_or_is_broken_has_no_date(tmp_path):
    whole = save(tmp_path / "a.jpg", exif()).read_bytes()
    for number, content in enumerate(
        (b"", b"text", whole[:25], whole[:40], b"\xff\xd8\xff\xe1\0\1", b"II*\0\xff\xff\xff\xff")
    ):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(content)
        assert read_taken_ns(path) is None
    assert read_taken_ns(tmp_path / "nowhere.jpg") is None
    assert read_taken_ns(save(tmp_path / "b.gif", None)) is None
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert read_taken_ns(tmp_path / "no.mp4") is None


@pytest.mark.parametrize("suffix", ["avif", "heic", "png", "webp", "jxl", "tif"])
def test_any_bytes_in_a_file_give_a_date_or_none(tmp_path, suffix):
    if suffix == "heic":
        whole = heic(exif=exif().tobytes().removeprefix(b"Exif\0\0"))
    elif suffix == "jxl":
        whole = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ") + box(b"Exif", bytes(4), exif().tobytes())
    elif suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    else:
        whole = save(tmp_path / f"whole.{suffix}", exif()).read_bytes()
    random = np.random.default_rng(1)
    path = tmp_path / f"a.{suffix}"
    for _ in range(200):
        broken = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(broken), 3):
            broken[place] = random.integers(256)
        path.write_bytes(bytes(broken))
        found = read_taken_ns(path)
        assert found is None or isinstance(found, int)


def test_any_bytes_in_an_exif_block_give_a_date_or_none(tmp_path):
    random = np.random.default_rng(0)
    block = bytearray(exif().tobytes())
    for number in range(300):
        broken = bytearray(block)
        for place in random.integers(6, len(block), 3):
            broken[place] = random.integers(256)
        path = tmp_path / f"{number % 2}.jpg"
        Image.new("RGB", (8, 8)).save(path, exif=bytes(broken))
        found = read_taken_ns(path)
        assert found is None or 1826 <= (datetime(1970, 1, 1) + timedelta(seconds=found // 10**9)).year <= 2262


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021:03:04 05:06:07", datetime(2021, 3, 4, 5, 6, 7)),
        ("2021-03-04T05:06:07.5+02:00", TAKEN + timedelta(seconds=0.5)),
        ("2021-03-04T05:06:07+0200", TAKEN),
        ("2021-03-04", datetime(2021, 3, 4)),
        ("1890:05:06 07:08:09", datetime(1890, 5, 6, 7, 8, 9)),
        ("2021:13:04 05:06:07", None),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("9999:12:31 00:00:00", None),
        ("2021", None),
        ("", None),
    ],
)
def test_dates_as_they_are_written(text, expected):
    assert to_ns(text) == (expected and ns(expected.astimezone()))


def video(path, **metadata):
    options = {"movflags": "use_metadata_tags"} if path.suffix in (".mov", ".mp4") else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata)
        stream = container.add_stream("mpeg4", rate=4)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (32, 32)))))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv"])
def test_a_container_says_when_it_was_made(tmp_path, suffix):
    path = video(tmp_path / f"a.{suffix}", creation_time="2021-03-04T03:06:07Z")
    assert read_taken_ns(path) == ns(TAKEN)


def test_apples_own_date_which_has_a_zone_comes_first(tmp_path):
    later = {"creation_time": "2022-01-01T00:00:00Z"}
    path = video(tmp_path / "a.mov", **later, **{"com.apple.quicktime.creationdate": "2021-03-04T05:06:07+0200"})
    assert read_taken_ns(path) == ns(TAKEN)


@pytest.mark.parametrize(
    "clock", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z", "2150-01-01T00:00:00Z"]
)
def test_a_clock_that_was_never_set_says_nothing(tmp_path, clock):
    assert read_taken_ns(video(tmp_path / "a.mov", creation_time=clock)) is None


def test_an_avi_says_it_in_its_list_of_information(tmp_path):
    assert read_taken_ns(video(tmp_path / "a.avi", date="2021-03-04")) == ns(datetime(2021, 3, 4).astimezone())
    assert read_taken_ns(video(tmp_path / "b.avi")) is None


def test_a_name_that_is_no_text_is_read(tmp_path):
    path = video(tmp_path / "a.mov", creation_time="2021-03-04T03:06:07Z")
    odd = path.rename(tmp_path / "caf\udce9.mov")
    assert read_taken_ns(odd) == ns(TAKEN)


def test_no_pixel_is_decoded(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"a.{suffix}", exif()) for suffix in ("jpg", "png", "webp", "tiff")]
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert [read_taken_ns(path) for path in paths] == 4 * [ns(TAKEN)]
