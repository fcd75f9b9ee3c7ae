"""The paper's prompts, general ones in languages, and a user's own."""

import pytest

from seesay.base.errors import UnknownNameError, UsageError
from seesay.evaluation.catalog import entries
from seesay.evaluation.metrics import METRICS
from seesay.evaluation.prompts import Prompts, find_prompts, list_prompts, read_templates, write_sentences

LANGUAGES = ("de", "en", "es", "fr", "zh")


def test_the_paper_has_27_datasets_and_80_templates_for_imagenet():
    paper = [name for name in list_prompts() if name not in LANGUAGES]
    assert len(paper) == 27
    assert set(list_prompts()) == {*paper, *LANGUAGES}
    imagenet = find_prompts("imagenet")
    assert (len(imagenet.templates), len(set(imagenet.templates)), len(imagenet.classes)) == (80, 80, 1000)
    assert len(set(imagenet.names)) == 998  # two names are given twice: "missile" and "sunglasses"


@pytest.mark.parametrize("name", list_prompts())
def test_every_template_takes_the_name_and_every_class_has_one(name):
    prompts = find_prompts(name)
    assert prompts.templates
    assert all(template.count("{}") == 1 for template in prompts.templates)
    assert all(word.strip() for names in prompts.classes for word in names)
    assert bool(prompts.classes) == (name not in LANGUAGES)
    assert len(set(prompts.templates)) == len(prompts.templates)


def test_the_catalog_fits_the_prompts_and_metrics():
    for entry in entries().values():
        if entry.kind != "classification":
            continue
        prompts = find_prompts(entry.prompts)
        assert entry.metric in METRICS
        assert not entry.is_numbered or len(prompts.classes) == entry.classes, entry.name


def test_the_languages_differ():
    said = {find_prompts(name).templates for name in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert find_prompts("").templates == ("a photo of a {}.",)


def test_an_unknown_name_is_offered_its_nearest():
    with pytest.raises(UnknownNameError, match=r"did you mean eurosat.*file with one template a line"):
        find_prompts("eurosats")


def test_a_file_has_a_template_a_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("﻿ein {}\n\n  das {c} hier \n", "utf-8")
    prompts = read_templates(path)
    assert (prompts.name, prompts.templates) == ("mine", ("ein {}", "das {c} hier"))
    assert write_sentences(["Huhn"], prompts) == [["ein Huhn", "das Huhn hier"]]


@pytest.mark.parametrize(("text", "match"), [("a photo\n", "without {}"), ("\n", "no template"), (None, "cannot be")])
def test_a_file_that_is_none_is_an_error(tmp_path, text, match):
    path = tmp_path / "mine.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=match):
        read_templates(path)


def test_a_class_of_several_names_is_said_by_each_and_an_unknown_one_by_its_own():
    prompts = Prompts(name="x", templates=("a {}", "the {}"), classes=(("cow", "ox"),))
    assert write_sentences(["cow", "ape"], prompts) == [["a cow", "the cow", "a ox", "the ox"], ["a ape", "the ape"]]


def test_braces_in_a_name_stay_and_an_empty_name_is_an_error():
    prompts = Prompts(name="x", templates=("a {} in {x}",))
    assert write_sentences(["{0} {} \\1"], prompts) == [["a {0} {} \\1 in {x}"]]
    with pytest.raises(UsageError, match="class 1 of 2 has no name"):
        write_sentences(["cow", " "], prompts)
