"""The nouns' two files: synsets with their kinds, and what a name means most often."""

import pytest


def test_synsets_are_read(wordnet):
    dog = wordnet["n00000004"]
    assert dog.names == ("dog", "domestic dog")
    assert wordnet["n00000002"].gloss == "a living thing"  # without the example
    assert (dog.domain, dog.parents) == (5, ("n00000002",))
    with pytest.raises(KeyError):
        wordnet["n00000099"]


def test_the_licence_is_no_synset_and_the_order_is_the_files(wordnet):
    assert [synset.wnid for synset in wordnet] == [f"n{number:08}" for number in range(1, 13)]


def test_ancestors_have_distances_and_instances_have_kinds(wordnet):
    assert wordnet.ancestors("n00000004") == {"n00000002": 1, "n00000001": 2}
    assert wordnet.ancestors("n00000005") == {"n00000001": 1}
    assert wordnet.ancestors("n00000001") == {}


def test_the_first_sense_is_the_first_of_the_index_whatever_the_order_of_the_data(wordnet):
    assert wordnet.first_sense("crane") == "n00000007"
    assert wordnet.first_sense("seal") == "n00000010"
    assert wordnet.first_sense("thing") == "n00000001"  # an entry without pointers


def test_a_name_is_found_with_spaces_and_in_any_case(wordnet):
    assert wordnet.first_sense("domestic dog") == wordnet.first_sense("Domestic Dog") == "n00000004"
    assert wordnet.first_sense("Paris") == "n00000011"


def test_what_is_no_noun_means_nothing(wordnet):
    assert wordnet.first_sense("quickly") is None


def test_every_name_of_a_synset_has_a_first_sense_that_bears_it(wordnet):
    for synset in wordnet:
        for name in synset.names:
            assert name in wordnet[wordnet.first_sense(name)].names
