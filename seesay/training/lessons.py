"""What the starter's text side learns from: texts, and what each of them looks like.

Five kinds of text, and where their looks come from:
* names, kinds and definitions of the image classifier's classes: from its rows;
* scenes of two of them ("a dog next to a sofa"): half-way between the two;
* things in a colour, a number or a style ("a red car"): a part of the way to where that lies (`attributes`);
* every other noun of WordNet for something that can be seen: guessed from its definition (`looks`);
* words of other languages: from the English word that CLDR's emoji say is the same.

Shape legend: N texts, M meanings, D width of the text tower, E embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seesay.training.alignment import Concept, Matrix, unit
from seesay.training.attributes import ATTRIBUTES
from seesay.training.looks import fit_looks
from seesay.training.phrases import SCENES, TEMPLATES, phrase, scene
from seesay.training.wordnet import Synset, WordNet

VISIBLE = (4, 5, 6, 8, 11, 13, 14, 15, 17, 18, 19, 20, 25, 27)
"""Of WordNet's files of nouns those whose things can be in a picture: acts, animals, artifacts, body, events, food,
groups, locations, objects, persons, phenomena, plants, shapes, substances. Left out: cognition, communication,
feelings, motives, possessions, processes, quantities, relations, states, times, attributes."""

NUM_NAMES = 2  # of a synset that is no class: more are rare words
STRENGTH = 0.4  # of an attribute, where the look of the thing is 1; from 0.3 to 0.5 the class is found as often
NUM_PHRASES = 4  # drawn of `TEMPLATES` for a name that is not the plainest of a class


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """How much each kind of text counts, where the plainest name of a class counts 1 over all its phrases."""

    kind: float = 0.15
    """A kind of several classes ("dog")."""
    synonym: float = 0.3
    """A name that is not the plainest, as a share of what the plainest counts."""
    definition: float = 0.2
    """A definition, likewise."""
    others: float = 2.0
    """All other nouns together, where all texts of classes and kinds together count 1."""
    languages: float = 0.5
    """All words of other languages together, likewise."""
    scenes: float = 1.0
    """All scenes of two things together, likewise."""
    num_scenes: int = 20_000
    """How many are written."""
    attributes: float = 0.5
    """All things in a colour, a number or a style together, likewise."""
    num_attributes: int = 20_000
    """How many are written."""
    alone: float = 0.1
    """Colours and styles of nothing in particular, as a share of what those of things count."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """Texts with their looks."""

    texts: tuple[str, ...]
    looks: Matrix
    """(N, E) unit rows."""
    weights: NDArray[np.float64]
    """(N,) how often each is seen; they add up to 1."""


@dataclass(slots=True)
class _Part:
    """Lessons of one kind on their way."""

    texts: list[str] = field(default_factory=list)
    looks: list[Matrix] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, texts: Sequence[str], look: Matrix, weight: float) -> None:
        self.texts += texts
        self.looks += [look] * len(texts)
        self.weights += [weight / len(texts)] * len(texts)


def write_lessons(
    concepts: Sequence[Concept],
    looks_ME: Matrix,
    wordnet: WordNet,
    *,
    read: Callable[[Sequence[str]], Matrix],
    translations: Mapping[str, str],
    attributes: Mapping[str, Matrix],
    shares: Shares,
    seed: int,
) -> Lessons:
    """Write everything down.

    Args:
        concepts: classes and their kinds.
        looks_ME: what each of them looks like, as unit rows.
        wordnet: for all other nouns.
        read: (N,) texts -> (N, D), the text tower.
        translations: from a word of another language to an English one.
        attributes: (E,) directions of `ATTRIBUTES`.
        shares: what counts how much.
        seed: of the phrases that are drawn.
    """
    random = np.random.default_rng(seed)
    known = _Part()
    english: dict[str, tuple[Matrix, float]] = {}
    for concept, look_E in zip(concepts, looks_ME, strict=True):
        _add_concept(known, concept, look_E, shares, random)
        english |= {name.lower(): (look_E, 1.0) for name in reversed(concept.names) if name.lower() not in english}

    is_class = np.array([concept.is_class for concept in concepts])
    defined = [f"{concept.name}: {concept.gloss}" for concept in concepts if concept.is_class]
    guess = fit_looks(read(defined), looks_ME[is_class])
    others = find_others(wordnet, concepts)
    guessed_ME, surety_M = guess.of(read([f"{synset.names[0]}: {synset.gloss}" for synset, _ in others]))
    unknown = _Part()
    for (_, names), look_E, surety in zip(others, guessed_ME, surety_M, strict=True):
        for name in names[:NUM_NAMES]:
            chosen = random.choice(len(TEMPLATES), 2, replace=False)
            unknown.add([phrase(name, TEMPLATES[index]) for index in chosen], look_E, float(surety) ** 2)
        english |= {name.lower(): (look_E, float(surety)) for name in names if name.lower() not in english}

    foreign = _Part()
    for word, translation in translations.items():
        if translation.lower() in english:
            look_E, surety = english[translation.lower()]
            foreign.add([word], look_E, surety**2)
    scenes = _write_scenes(concepts, looks_ME, shares.num_scenes, random)
    described = _write_attributes(concepts, looks_ME, attributes, shares, random)
    return _joined(
        [
            (known, 1.0),
            (unknown, shares.others),
            (foreign, shares.languages),
            (scenes, shares.scenes),
            (described, shares.attributes),
        ]
    )


def find_others(wordnet: WordNet, concepts: Sequence[Concept]) -> list[tuple[Synset, list[str]]]:
    """Synsets that can be seen and are no concept, each with the names that mean it more often than anything else.

    A name of a concept is left to it: "crane" has a bird and a machine, of which the classifier knows one.
    """
    taken = {name.lower() for concept in concepts for name in concept.names}
    found = []
    for synset in wordnet:
        names = [
            name
            for name in synset.names
            if wordnet.first_sense(name) == synset.wnid and name.lower() not in taken and name == name.lower()
        ]
        if synset.domain in VISIBLE and names:
            found.append((synset, names))
    return found


def _add_concept(part: _Part, concept: Concept, look_E: Matrix, shares: Shares, random: np.random.Generator) -> None:
    counts = 1.0 if concept.is_class else shares.kind
    for index, name in enumerate(concept.names):
        if index == 0 and concept.is_class:
            part.add([phrase(name, template) for template in TEMPLATES], look_E, counts)
        else:
            chosen = random.choice(len(TEMPLATES), NUM_PHRASES, replace=False)
            texts = [phrase(name, TEMPLATES[template]) for template in chosen]
            part.add(texts, look_E, counts * (shares.synonym if index else 1.0))
    part.add([concept.gloss, f"{concept.name}: {concept.gloss}"], look_E, counts * shares.definition)


def _write_scenes(concepts: Sequence[Concept], looks_ME: Matrix, count: int, random: np.random.Generator) -> _Part:
    """Two things in one picture, of which the vector has as much of one as of the other.

    Without them a sentence that names two things goes to the one that the text tower hears first.
    """
    part = _Part()
    chance_M = np.array([1.0 if concept.is_class else 0.5 for concept in concepts])
    chance_M /= chance_M.sum()
    for _ in range(count):
        pair = random.choice(len(concepts), 2, replace=False, p=chance_M)
        name, other = (_a_name(concepts[index], random) for index in pair)
        text = scene(name, other, SCENES[random.integers(len(SCENES))])
        part.add([text], looks_ME[pair].sum(axis=0), 1.0)
    return part


def _write_attributes(
    concepts: Sequence[Concept],
    looks_ME: Matrix,
    directions: Mapping[str, Matrix],
    shares: Shares,
    random: np.random.Generator,
) -> _Part:
    """Things in a colour, a number or a style, each family as often; and, less, colours and styles alone."""
    part = _Part()
    families: dict[str, list[str]] = {}
    for name, attribute in ATTRIBUTES.items():
        if attribute.phrases:
            families.setdefault(attribute.family, []).append(name)
    kinds = list(families.values())
    for _ in range(shares.num_attributes):
        names = kinds[random.integers(len(kinds))]
        name = names[random.integers(len(names))]
        phrases = ATTRIBUTES[name].phrases
        row = int(random.integers(len(concepts)))
        text = phrase(_a_name(concepts[row], random), phrases[random.integers(len(phrases))])
        part.add([text], looks_ME[row] + STRENGTH * directions[name], 1.0)
    alone = {name: attribute.alone for name, attribute in ATTRIBUTES.items() if attribute.alone}
    for name, texts in alone.items():
        part.add(texts, directions[name], shares.alone * shares.num_attributes / len(alone))
    return part


def _a_name(concept: Concept, random: np.random.Generator) -> str:
    """The plainest name, or now and then any."""
    return concept.names[0 if random.random() < 0.7 else int(random.integers(len(concept.names)))]


def _joined(parts: Sequence[tuple[_Part, float]]) -> Lessons:
    full = [(part, share) for part, share in parts if part.texts and share > 0]
    texts = tuple(text for part, _ in full for text in part.texts)
    weights_N = np.concatenate([np.array(part.weights) * (share / sum(part.weights)) for part, share in full])
    looks_NE = unit(np.stack([look for part, _ in full for look in part.looks]))
    return Lessons(texts, looks_NE, weights_N / weights_N.sum())
