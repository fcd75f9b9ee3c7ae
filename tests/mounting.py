"""Run in a mount namespace of its own (`unshare -m python mounting.py FOLDER SCENARIO...`): drives that come and go.

Prints JSON: of each scenario what each run of the library counted, and the files that were out of reach then. Nothing
outside the namespace sees these mounts.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

from encoders import ColourEncoder
from painting import paint

from seesay.search.library import Library
from seesay.search.watch import SETTLE_S, Watch


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def plug_in(point, *, image=None):
    """A drive: a new tmpfs, or the file system of an image file."""
    point.mkdir(parents=True, exist_ok=True)
    if image is None:
        mount("-t", "tmpfs", "tmpfs", point)
    else:
        mount("-o", "loop", image, point)


def unplug(point):
    subprocess.run(["umount", point], check=True)


def fill(folder, *names):
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name in names or ("one", "two"):
        paint(folder / f"{name}.png", (200, 10, 10))
        paint(folder / "sub" / f"{name}-below.png", (10, 10, 200))


class Scenario:
    def __init__(self, place):
        self.place, self.usb = place, place / "usb"
        self.library = Library.open(place / "library", encoder=ColourEncoder())
        self.told = []

    def index(self, *paths):
        self.tell(self.library.add(*paths))

    def tell(self, summary):
        counts = {name: value for name, value in dataclasses.asdict(summary).items() if value and name != "places"}
        lost = sorted(
            str(Path(hit.path).relative_to(self.place))
            for hit in self.library.search("red", limit=99)
            if hit.out_of_reach
        )
        self.told.append([counts, lost])

    def root_is_the_mount_point(self):
        plug_in(self.usb)
        fill(self.usb)
        self.index(self.usb)
        unplug(self.usb)
        self.index()

    def root_is_a_link_to_the_mount_point(self):
        plug_in(self.usb)
        fill(self.usb)
        (self.place / "photos").symlink_to(self.usb)
        self.index(self.place / "photos")
        unplug(self.usb)
        self.index()

    def links_to_files_of_the_drive(self):
        plug_in(self.usb)
        fill(self.usb)
        (self.place / "links").mkdir()
        for file in self.usb.glob("*.png"):
            (self.place / "links" / file.name).symlink_to(file)
        self.index(self.place / "links")
        unplug(self.usb)
        self.index()
        (self.place / "links" / "one.png").unlink()
        self.index()

    def bind_mount_of_the_same_file_system(self):
        fill(self.place / "real")
        self.usb.mkdir()
        mount("--bind", self.place / "real", self.usb)
        self.index(self.usb)
        unplug(self.usb)
        self.index()

    def bind_mount_of_the_folder_itself(self):
        """As a container or a service sees it: another mount, and the same folder."""
        fill(self.place / "real")
        self.index(self.place / "real")
        mount("--bind", self.place / "real", self.place / "real")
        self.index()
        (self.place / "real" / "one.png").unlink()
        unplug(self.place / "real")
        self.index()

    def copied_while_it_is_away(self):
        fill(self.place / "real")
        self.usb.mkdir()
        mount("--bind", self.place / "real", self.usb)
        self.index(self.usb)
        unplug(self.usb)
        self.index(self.place / "real")
        self.index()

    def mount_below_the_root(self):
        top = self.place / "top"
        plug_in(top / "usb")
        fill(top / "usb")
        fill(top, "own")
        self.index(top)
        unplug(top / "usb")
        (top / "own.png").unlink()
        self.index()

    def mount_above_the_root(self):
        plug_in(self.usb)
        fill(self.usb / "DCIM")
        self.index(self.usb / "DCIM")
        unplug(self.usb)
        self.index()
        (self.usb / "DCIM").mkdir()
        self.index()

    def root_is_one_file(self):
        plug_in(self.usb)
        paint(self.usb / "one.png", (200, 10, 10))
        self.index(self.usb / "one.png")
        unplug(self.usb)
        self.index()

    def another_drive_in_its_place(self):
        plug_in(self.usb)
        fill(self.usb, "one")
        self.index(self.usb)
        unplug(self.usb)
        plug_in(self.usb)
        fill(self.usb, "other")
        self.index()
        self.index()

    def deleted_by_hand(self):
        plug_in(self.usb)
        fill(self.usb)
        self.index(self.usb)
        (self.usb / "one.png").unlink()
        self.index()
        shutil.rmtree(self.usb / "sub")
        (self.usb / "two.png").unlink()
        self.index()

    def watched(self):
        plug_in(self.usb)
        fill(self.usb)
        self.index(self.usb)
        now = [0.0]
        state = Watch(self.library, self.library.roots(), clock=lambda: now[0])
        self.tell(state.work())
        paths = [str(path) for path in self.usb.rglob("*.png")]
        unplug(self.usb)
        state.note([str(self.usb), *paths])
        now[0] += SETTLE_S
        self.tell(state.work())

    def comes_back_elsewhere(self):
        image = self.place / "drive.img"
        image.write_bytes(bytes(1 << 22))
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        plug_in(self.usb, image=image)
        fill(self.usb)
        self.index(self.usb)
        unplug(self.usb)
        self.index()
        plug_in(self.usb, image=image)
        (self.usb / "one.png").unlink()
        self.index()
        unplug(self.usb)
        plug_in(self.place / "usb1", image=image)
        self.index(self.place / "usb1")


if __name__ == "__main__":
    told = {}
    for name in sys.argv[2:]:
        scenario = Scenario(Path(sys.argv[1]) / name)
        getattr(scenario, name)()
        scenario.library.close()
        told[name] = scenario.told
    sys.stdout.write(json.dumps(told))
