"""The tokenizer of OpenAI's CLIP: byte-level BPE with 49,408 tokens, as a tokenizer.json.

The vocabulary is nothing but the merges in their order: 256 bytes, the same 256 at the end of a word, one token a
merge, and two special ones. Ours differs from the file in transformers' repositories in two things. It does no cleaning
(they fold case and Unicode in the file, and cannot mend broken text there), because `cleaners.lower` has done it. And
the special tokens written out in a text are plain text, as in open_clip, so that no caption can end itself early.

Source: github.com/openai/CLIP, clip/simple_tokenizer.py; the merges are OpenAI's, MIT License, see
`assets/tokenizers/LICENSE.md`.
"""

import gzip
from functools import cache

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from seesay.base.paths import ASSETS
from seesay.inputs.tokenizer import TextConfig

START, END = "<|startoftext|>", "<|endoftext|>"
PAD_ID = 0  # OpenAI pads with "!"; a causal tower never looks at what follows the end token

_MERGES = ASSETS / "tokenizers" / "openai-clip-merges.txt.gz"
# Case is folded here although the text is in lower case, because OpenAI's expression does: 'ſ is a contraction too.
# And U+0345, a mark whose upper case is a letter, belongs to no word there: it is dropped.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\x{0345}]+"


def text_config(context_length: int = 77) -> TextConfig:
    """What stands beside this tokenizer in a bundle.

    Args:
        context_length: tokens, the two special ones counted; 77 in CLIP, 32 in PE-Core.
    """
    return TextConfig(context_length=context_length, pad_id=PAD_ID, padding="longest", cleaner="lower")


@cache
def tokenizer_json(*, cleans: bool = False) -> bytes:
    """The content of tokenizer.json.

    Args:
        cleans: make the file that transformers wants, with its approximation of the cleaning and with special tokens
            found in texts; a bundle's file has neither, since `cleaners.lower` comes before.
    """
    merges = _read_merges()
    letters = list(_byte_letters())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges), START, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>")
    )
    if cleans:
        tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (START, END)])
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str().encode("utf-8")


def _read_merges() -> list[tuple[str, str]]:
    pairs = (line.split(" ") for line in gzip.decompress(_MERGES.read_bytes()).decode("utf-8").splitlines())
    return [(first, second) for first, second in pairs]


def _byte_letters() -> str:
    """One printable letter for each byte, in the vocabulary's order: printable bytes stand for themselves, first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return "".join(map(chr, printable)) + "".join(chr(0x100 + number) for number in range(256 - len(printable)))
