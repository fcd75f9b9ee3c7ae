"""A name in the phrases that people type."""

import pytest

from seesay.base.errors import UsageError
from seesay.training.phrases import TEMPLATES, phrase, plural, with_article

NAMES = ["dog", "fox", "pony", "apple", "coral fungus", "T-shirt", "{odd}"]


@pytest.mark.parametrize("name", NAMES)
def test_every_template_says_the_name_and_leaves_no_gap(name):
    assert len(TEMPLATES) > 10
    for template in TEMPLATES:
        text = phrase(name, template)
        assert name in text or plural(name) in text
        assert "{" not in text.replace(name, "").replace(plural(name), "")


@pytest.mark.parametrize("name", NAMES)
def test_no_two_templates_say_the_same(name):
    assert len({phrase(name, template) for template in TEMPLATES}) == len(TEMPLATES)


def test_the_bare_name_is_one_of_the_phrases():
    assert phrase("dog", TEMPLATES[0]) == "dog"


@pytest.mark.parametrize("template", ["a photo of {nam}", "{}", "{0}"])
def test_a_template_with_another_gap_is_refused_by_its_words(template):
    with pytest.raises(UsageError, match="has the gaps name, one and many; got ") as caught:
        phrase("dog", template)
    assert template in str(caught.value)


@pytest.mark.parametrize(
    ("one", "many"),
    [("dog", "dogs"), ("fox", "foxes"), ("pony", "ponies"), ("ray", "rays"), ("bus", "buses"), ("finch", "finches")],
)
def test_plurals(one, many):
    assert plural(one) == many


@pytest.mark.parametrize(("noun", "said"), [("dog", "a dog"), ("owl", "an owl"), ("Afghan hound", "an Afghan hound")])
def test_articles(noun, said):
    assert with_article(noun) == said
