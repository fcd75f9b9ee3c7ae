"""A tar that says it is large, or becomes large, takes no memory; what stands beside it is read."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc

import pytest
from archives import plain, write_tar

from seesay.base.errors import DataError, InputError
from seesay.data import members
from seesay.data.source import Damaged, Example, Pass
from seesay.data.tars import Tars
from seesay.evaluation.datasets.tar import index_tars

GIB = 1 << 30
SOUND = [("0.png", plain("red")), ("0.txt", b"a red square")]


def header(name, size, kind=tarfile.REGTYPE):
    found = tarfile.TarInfo(name)
    found.size, found.type = size, kind
    return found.tobuf(format=tarfile.GNU_FORMAT)


def sparse(name, size):
    """A member of GNU's old sparse form that has no byte in the file."""
    found = bytearray(header(name, 0, b"S"))
    found[386:410] = b"%011o\0%011o\0" % (0, 0)
    found[482], found[483:495] = 0, b"%011o\0" % size
    found[148:156] = b" " * 8
    found[148:156] = b"%06o\0 " % sum(found)
    return bytes(found)


def tar_of(path, *parts):
    path.write_bytes(b"".join(parts) + bytes(1024))
    return path


def sound_parts(path):
    """The members of a sound example, without the end of the archive."""
    return write_tar(path, SOUND).read_bytes()[:2048]


def read(path):
    """The examples, and the most memory that Python took."""
    tracemalloc.start()
    found = [one for one, _ in Tars(str(path)).stream(Pass(0, 0))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return sorted(found, key=lambda one: isinstance(one, Damaged)), peak


def test_a_sparse_member_is_refused_and_what_stands_beside_it_is_read(tmp_path):
    path = tar_of(
        tmp_path / "a.tar", sparse("1.txt", 6 * GIB), sparse("2.png", 6 * GIB), sound_parts(tmp_path / "b.tar")
    )
    (sound, *damaged), peak = read(path)
    assert isinstance(sound, Example)
    assert sorted(one.reason for one in damaged) == [
        "1.txt is stored as a sparse file, which a picture or text never needs",
        "2.png is stored as a sparse file, which a picture or text never needs",
    ]
    assert peak < 50 << 20


@pytest.mark.parametrize(("name", "limit"), [("1.png", "1,073,741,824"), ("1.txt", "67,108,864")])
def test_a_member_that_is_said_to_be_larger_than_any_is_refused(tmp_path, name, limit):
    path = tar_of(tmp_path / "a.tar", sound_parts(tmp_path / "b.tar"), header(name, 8**11 - 1))
    (sound, broken), peak = read(path)
    assert isinstance(sound, Example)
    assert broken.reason.startswith("cannot be read to its end: ")
    assert peak < 50 << 20
    member = tarfile.TarInfo(name)
    member.size = 6 * GIB
    with pytest.raises(InputError, match=f"{name} has 6,442,450,944 bytes, the limit is {limit}"):
        members.check_member(member)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_of_gigabytes_is_not_read(tmp_path, kind):
    path = tar_of(tmp_path / "a.tar", header("long", 6 * GIB, kind))
    ((broken,), peak) = read(path)
    assert "the name of a member is said to have 6,442,450,944 bytes" in broken.reason
    assert peak < 50 << 20
    with pytest.raises(DataError, match="the name of a member is said to have"):
        index_tars([path])


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")])
def test_what_is_packed_a_thousandfold_is_left_where_it_shows(tmp_path, pack, suffix):
    bomb = sound_parts(tmp_path / "b.tar") + header("1.png", 80 << 20) + bytes(80 << 20)
    (tmp_path / f"a.tar.{suffix}").write_bytes(pack(bomb))
    (sound, broken), peak = read(tmp_path / f"a.tar.{suffix}")
    assert isinstance(sound, Example)
    assert "more than 200 times is no archive of pictures" in broken.reason
    assert peak < 200 << 20


def test_a_sample_of_endless_members_is_refused_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("seesay.data.tars.MAX_OF_ONE", 3)
    names = [f"9.{suffix}" for suffix in ("png", "txt", "json", "cls", "jpg")]
    (sound, many), _ = read(write_tar(tmp_path / "a.tar", [*SOUND, *((name, b"{}") for name in names)]))
    assert (isinstance(sound, Example), many.reason) == (True, "has more than 3 members")


def test_the_evaluation_refuses_them_too(tmp_path):
    for part, reason in (
        (sparse("1.png", 6 * GIB), "is stored as a sparse file"),
        (header("1.cls", 6 * GIB), "the limit is 67,108,864"),
    ):
        with pytest.raises(DataError, match=rf"a\.tar cannot be used: 1\.\w+ .*{reason}"):
            index_tars([tar_of(tmp_path / "a.tar", part)])


def test_as_many_bytes_as_are_asked_for_come_out_of_a_file_that_was_looked_at():
    content = bytes(range(256)) * 10
    for size in (1, 2, 5, 6, 7, 512):
        source = members.Unpacked(io.BytesIO(content))
        assert b"".join(iter(lambda source=source, size=size: source.read(size), b"")) == content
