"""How people write what they look for: a name bare, plural, in phrases, questions and sentences."""

from seesay.base.errors import UsageError

TEMPLATES = (
    "{name}",
    "{one}",
    "{many}",
    "a photo of {one}",
    "a photo of {many}",
    "a picture of {one}",
    "an image of the {name}",
    "a close-up photo of {one}",
    "{one} outside",
    "a photo of the {name}",
    "there is {one} in the picture",
    "where is the {name}?",
    "a small {name}",
    "a big {name}",
    "my {name}",
    "show me {many}",
    "a good picture of {one}",
    "I see {one}",
    "find {many}",
    "this is {one}",
)
"""`name` is the name as it stands, `one` has an article, `many` is its plural. They say nothing of colours, numbers and
styles: those are `attributes`."""

SCENES = (
    "{one} and {other}",
    "{one} with {other}",
    "{one} next to {other}",
    "{one} on {other}",
    "{one} in front of {other}",
    "{one} near {other}",
    "{one} behind {other}",
    "{one}, {other}",
    "{one} and {other} outside",
    "a photo of {one} and {other}",
    "there is {one} and {other}",
    "{name} with {other}",
    "two {many} and {other}",
)
"""Of two things; `other` is the second one, with an article."""

FOREIGN = {
    "de": ("ein Foto von {name}", "Bilder mit {name}", "{name} im Freien", "wo ist {name}?"),
    "es": ("una foto de {name}", "imágenes con {name}", "un {name} pequeño", "¿dónde está {name}?"),
    "fr": ("une photo de {name}", "des images avec {name}", "un petit {name}", "où est {name} ?"),
    "zh": ("一张{name}的照片", "有{name}的图片", "一个小{name}", "{name}在哪里？"),
}
"""How they write it in other languages."""


def phrase(name: str, template: str) -> str:
    """A name in one of `TEMPLATES`.

    Raises:
        UsageError: the template has another gap than those three.
    """
    try:
        return template.format(name=name, one=with_article(name), many=plural(name))
    except (KeyError, IndexError) as error:
        raise UsageError(f"a template has the gaps name, one and many; got {template!r}") from error


def scene(name: str, other: str, template: str) -> str:
    """Two names in one of `SCENES`."""
    return template.format(name=name, one=with_article(name), many=plural(name), other=with_article(other))


def with_article(noun: str) -> str:
    """From "dog" to "a dog"; a guess by the first letter."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """From "fox" to "foxes"; a guess by the last letters, wrong for mice and geese."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"
