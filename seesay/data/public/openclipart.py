"""Open Clip Art Library 0.18: drawings with titles and keywords, in the public domain.

Debian's `openclipart-png` has the pictures, and `openclipart-svg` the drawings they were made from, which alone carry
titles. A third of those are the name of a collection, copied into every drawing of it; the file's name tells more.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seesay.data.packages import Package
from seesay.data.public.found import Found, PublicSet
from seesay.data.public.titles import clean_keywords, clean_title, title_key

_SVG, _PNG = "usr/share/openclipart/svg", "usr/share/openclipart/png"
# hundreds of pictures each that differ in what no caption says, or say it in a program's words ("gg_away")
_LEFT_OUT = re.compile(
    r"shapes/(stars|flowchart)|recreation/games/cards|unsorted/duplicates|special/examples|computer/icons/[a-z]+-theme"
)
_PREFIX = re.compile(
    r"^(gnome[ -](fs|dev|mime)[ -](x[ -])?|gnome[ -]|stock[ -]|aiga[ _-]|contour[ _]|[a-z][ _-](?=\w{3}))", re.I
)
_AUTHORS = re.compile(r"[ _](archi\w*|nicu|jean-victor|benji|ganson|jarno|mimooh|frouke|jonadab|peterm)\b.*$", re.I)
_EMPTY_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "hash appicon mapsym networksym symbol signs_and_symbols unsorted theme icons icon clip_art clipart misc 11 "
        "sign computer transport transportation united_nations_member special shape",
    )
)
# it speaks of the file, not of the picture
_NO_DESCRIPTION = re.compile(
    r"\b(part of|collection|i|converted|inkscape|licen[cs]e|created|made (by|with|in)|drawn (by|with)|svg)\b", re.I
)
_SAME_TITLES = 3  # more files than these with one title, and it is looked at whether the file's name says the same


class _Drawing(NamedTuple):
    path: Path
    """Relative, without a suffix."""
    title: str
    description: str
    keywords: tuple[str, ...]
    creator: str


def read_openclipart(folders: Sequence[Path]) -> Iterator[Found]:
    """The pictures that a title can be given."""
    drawings_folder, pictures_folder = folders[0] / _SVG, folders[1] / _PNG
    files = sorted(file for file in drawings_folder.rglob("*.svg") if not file.is_symlink())
    drawings = [_read(file, drawings_folder) for file in files]
    counts = Counter(clean_title(drawing.title) for drawing in drawings)
    shared = Counter(drawing.description for drawing in drawings)
    for drawing in drawings:
        picture = (pictures_folder / drawing.path).with_suffix(".png")
        if not picture.is_file() or _LEFT_OUT.match(drawing.path.as_posix()):
            continue
        title = _title(drawing, counts)
        if title:
            more = _more(drawing, title, own_words=shared[drawing.description] == 1)
            yield Found("-".join(drawing.path.parts), picture, (title, *more))


def _title(drawing: _Drawing, counts: Counter[str]) -> str:
    title, stem = clean_title(drawing.title), drawing.path.name
    if title and (counts[title] <= _SAME_TITLES or _letters(stem).startswith(_letters(title)[:8])):
        return _of_flag(title, drawing)
    last_name = drawing.creator.split()[-1:] or [" "]
    named = re.sub(rf"[_ ]{re.escape(last_name[0][:5])}.*$", "", stem, flags=re.IGNORECASE)
    return _of_flag(clean_title(_PREFIX.sub("", _AUTHORS.sub("", named))), drawing)


def _of_flag(title: str, drawing: _Drawing) -> str:
    """A country's name is the title of its flag, its map and its arms."""
    title = re.sub(r"^historic\s*-\s*", "historic ", title, flags=re.IGNORECASE)
    is_flag = "flags" in drawing.path.parts and "flag" in drawing.keywords and "map" not in drawing.keywords
    return f"flag of {title}" if title and is_flag and "flag" not in title.lower() else title


def _more(drawing: _Drawing, title: str, *, own_words: bool) -> Iterator[str]:
    """Further captions: with keywords, and the description where it is a sentence about the picture."""
    own = {drawing.creator.lower()} | ({"hash"} if title else set())
    keywords = clean_keywords(drawing.keywords, title, without=_EMPTY_KEYWORDS | own)
    keywords += clean_keywords([drawing.path.parts[-2]], f"{title} {' '.join(keywords)}", without=_EMPTY_KEYWORDS)
    if keywords:
        yield f"{title}, {', '.join(keywords)}"
    description = clean_title(drawing.description)
    says_more = len(description.split()) >= 3 and title_key(description) != title_key(title)
    if own_words and says_more and not _NO_DESCRIPTION.search(description):
        yield description


def _letters(text: str) -> str:
    return re.sub(r"[\W\d_]", "", text).lower()


def _read(file: Path, folder: Path) -> _Drawing:
    """What a drawing says of itself, by Dublin Core; nothing where it is no XML."""
    path = file.relative_to(folder).with_suffix("")
    try:
        work = next((each for each in ET.parse(file).iter() if each.tag.endswith("}Work")), None)  # noqa: S314  below
    except ET.ParseError:
        work = None
    if work is None:
        return _Drawing(path, "", "", (), "")
    fields = {part.tag.rpartition("}")[2]: part for part in work}

    def words(field: str, tag: str) -> list[str]:
        part = fields.get(field)
        return [] if part is None else [each.text for each in part.iter() if each.tag.endswith(tag) and each.text]

    title, description = (" ".join(words(field, field)).strip() for field in ("title", "description"))
    creator = " ".join(words("creator", "}title")).strip()
    return _Drawing(path, title, description, tuple(words("subject", "}li")), creator)


OPENCLIPART = PublicSet(
    packages=(
        Package(registry="debian", name="openclipart-svg"),
        Package(registry="debian", name="openclipart-png"),
    ),
    read=read_openclipart,
    terms="Open Clip Art Library 0.18, by its contributors, dedicated to the public domain (Creative Commons).",
    licences=("usr/share/doc/openclipart-png/copyright",),
)
