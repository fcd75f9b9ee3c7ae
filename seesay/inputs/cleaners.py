"""What is done to a text before its tokenizer sees it, where tokenizer.json does not say it all.

The names and their order of steps are open_clip's (`clean=` of its tokenizers), so that its configurations carry over.
OpenAI's CLIP is `lower`, SigLIP is `canonicalize`. Must not know any vocabulary or model.
"""

import html
import string

# SigLIP's "punctuation" is ASCII's; a Chinese full stop stays. Underscores part words before they would vanish.
PUNCTUATION = string.punctuation.replace("_", "")
_NO_PUNCTUATION = str.maketrans("_", " ", PUNCTUATION)


def lower(text: str) -> str:
    """Mend, one space between words, lower case: the recipe of OpenAI's CLIP.

    Source: github.com/openai/CLIP, clip/simple_tokenizer.py.
    """
    return whitespace(text).lower()


def whitespace(text: str) -> str:
    """Mend, one space between words; the case stays, for towers whose tokenizer decides about it."""
    return " ".join(_mend(text).split())


def canonicalize(text: str) -> str:
    """Mend, no ASCII punctuation, lower case, one space between words: the recipe of SigLIP.

    Source: big_vision, evaluators/proj/image_text/prompt_engineering.py, as open_clip uses it.
    """
    return " ".join(_mend(text).translate(_NO_PUNCTUATION).lower().split())


def _mend(text: str) -> str:
    """Undo broken encodings (`cafÃ©`) and HTML entities, twice as escaped ones too (`&amp;amp;`)."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return text  # nothing to mend, and most texts are so: ftfy would take 20 times as long as the tokenizer
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()
