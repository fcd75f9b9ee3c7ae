"""What is mounted: the list of the system as proc_pid_mountinfo(5) describes it, and real mounts beside findmnt."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from seesay.search import mounts as mounting
from seesay.search.mounts import Mounts, is_same

# The manual's own example, then a stick whose name has a space, a share, and an automatic mount.
LINES = rb"""1 0 8:1 / / rw,noatime - ext3 /dev/root rw,errors=continue
36 1 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 1 8:17 / /media/my\040stick rw - vfat /dev/sdb1 rw
41 1 0:50 / /mnt/nas rw - nfs4 nas:/photos rw
42 1 0:51 / /net rw - autofs systemd-1 rw
43 1 8:33 / /srv rw - ext4 /dev/sdc1 rw
44 43 8:34 / /srv rw - ext4 /dev/sdc2 rw
45 43 8:35 / /srv/below rw - ext4 /dev/sdc3 rw
"""


@pytest.fixture
def mounts(monkeypatch):
    monkeypatch.setattr(mounting, "read_mountinfo", lambda: LINES)
    return Mounts.now()


def test_the_innermost_mount_holds_a_path(mounts):
    assert mounts.at(b"/home/me").point == b"/"
    assert mounts.at(b"/mnt2/a").root == b"/mnt1"
    assert mounts.at(b"/mnt2").point == b"/mnt2"
    assert mounts.at(b"/mnt21").point == b"/"
    assert mounts.at(b"/media/my stick/DCIM/1.jpg").source == b"/dev/sdb1"


def test_a_mount_over_another_hides_it_and_what_is_in_it(mounts):
    assert mounts.at(b"/srv/a").source == b"/dev/sdc2"
    assert mounts.at(b"/srv/below/a").source == b"/dev/sdc2"


def test_what_is_mounted_in_a_folder_is_around_it(mounts):
    assert {mount.point for mount in mounts.around(b"/mnt")} == {b"/", b"/mnt/nas"}
    assert {mount.point for mount in mounts.around(b"/mnt/nas")} == {b"/mnt/nas"}


def test_a_share_is_itself_wherever_it_is_mounted_and_is_not_asked(mounts, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda path: pytest.fail(f"{path} may not answer"))
    monkeypatch.setattr(os, "stat", lambda path: pytest.fail(f"{path} may not answer"))
    assert mounts.identity(mounts.at(b"/mnt/nas/2024")) == "share:'nas:/photos'"
    assert mounts.identity(mounts.at(b"/net/nas")).startswith("name:autofs")


def test_links_are_followed_up_to_a_mount_that_may_not_answer(tmp_path, monkeypatch):
    here = os.fsencode(tmp_path)
    nas = here + b"/nas"
    lines = b"1 0 8:1 / / rw - ext4 /dev/root rw\n2 1 0:9 / %s rw - fuse.sshfs nas:/ rw\n" % nas
    monkeypatch.setattr(mounting, "read_mountinfo", lambda: lines)
    (tmp_path / "file").touch()
    (tmp_path / "photos").symlink_to("nas/photos")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    readlink = os.readlink

    def refuse(path):
        assert not path.startswith(nas), f"{path} may not answer"
        return readlink(path)

    monkeypatch.setattr(os, "readlink", refuse)
    mounts = Mounts.now()
    mount, real = mounts.resolve(here + b"/photos/2024/../a.jpg")
    assert (mount.point, real) == (nas, nas + b"/photos/2024/../a.jpg")
    assert mounts.resolve(here + b"/link")[1] == os.path.realpath(here + b"/file")
    for name in (b"/dangling", b"/loop", b"/file/below", b"/none"):
        assert mounts.resolve(here + name)[1] is None


def test_two_identities_tell_whether_it_is_one_drive():
    assert is_same("uuid:1", "uuid:1") is True
    assert is_same("uuid:1", "uuid:2") is False
    assert is_same("id:1", "share:'nas:/'") is False
    assert is_same("uuid:1", "id:ab") is None  # the same drive with udev and without
    assert is_same("name:vfat '/dev/sdb1' 8", "name:vfat '/dev/sdc1' 8") is None
    assert is_same("", "") is None


def test_without_a_list_a_mount_begins_where_the_device_changes(monkeypatch, tmp_path):
    drive = os.fsencode(tmp_path)
    monkeypatch.setattr(mounting, "read_mountinfo", lambda: None)
    monkeypatch.setattr(os.path, "ismount", lambda path: path in (b"/", drive))
    mounts = Mounts.now()
    assert mounts.at(drive + b"/a/b").point == drive
    assert mounts.at(os.fsencode(tmp_path.parent)).point == b"/"
    assert mounts.identity(mounts.at(drive)).startswith("name:")


@pytest.mark.skipif(not Path(mounting.MOUNTINFO).exists(), reason="this system has no list of mounts")
@pytest.mark.skipif(shutil.which("findmnt") is None, reason="findmnt is the reference, and it is not here")
def test_the_mounts_of_this_machine_are_those_that_findmnt_names():
    mounts = Mounts.now()
    for path in (b"/", b"/proc", b"/dev", os.fsencode(Path.cwd())):
        done = subprocess.run(["findmnt", "-n", "-o", "TARGET", "-T", path], capture_output=True, check=True)
        assert mounts.at(os.path.realpath(path)).point == done.stdout.rstrip(b"\n")
