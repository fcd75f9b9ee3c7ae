"""Words of two languages meet at the emoji that carry them."""

import json

import pytest

from seesay.base.errors import SeesayError
from seesay.training.translations import GUESSED, SEEN, UNKNOWN, read_annotations, read_common_words, translate

ENGLISH = {
    "🐕": ("dog", ("animal", "pet", "dog")),
    "🐈": ("cat", ("animal", "pet", "cat")),
    "🐎": ("horse", ("animal", "race", "horse")),
    "🏠": ("house", ("building", "home")),
    "🏢": ("office", ("building", "work")),
    "🚗": ("car", ("race", "drive")),
    "🫥": ("dotted line face", ("hidden",)),
}
GERMAN = {
    "🐕": ("Hund", ("Tier", "Freund")),
    "🐈": ("Katze", ("Tier", "Freund")),
    "🐎": ("Pferd", ("Tier", "Rennen")),
    "🏠": ("Haus", ("Gebäude", "Hund")),
    "🏢": ("Büro", ("Gebäude", "Freund")),
    "🚗": ("Auto", ("Rennen", "Wagen")),
    "🦤": ("Dodo", ("Vogel",)),
}


def all_seen(_word):
    return SEEN


def test_names_of_one_emoji_say_the_same():
    found = translate(GERMAN, ENGLISH, surety=all_seen)
    shared = GERMAN.keys() & ENGLISH.keys()
    assert len(shared) == 6
    for emoji in shared:
        assert found[GERMAN[emoji][0]] == ENGLISH[emoji][0]


def test_keywords_say_the_same_where_they_share_their_emoji():
    found = translate(GERMAN, ENGLISH, surety=all_seen)
    assert found["Tier"] == "animal"  # "pet" stands with two of its three emoji
    assert found["Gebäude"] == "building"
    assert found["Rennen"] == "race"


def test_a_name_beats_a_keyword():
    # as a keyword it stands with the house alone, as the English "home" does
    assert translate(GERMAN | {"🐕": ("Tier", ())}, ENGLISH, surety=all_seen)["Hund"] == "home"
    assert translate(GERMAN, ENGLISH, surety=all_seen)["Hund"] == "dog"


def test_a_keyword_that_shares_too_few_emoji_is_left_out():
    english = {"🏠": ("house", ("home",)), "🏢": ("office", ()), "🚗": ("car", ())}
    german = {"🏠": ("Haus", ("Ding",)), "🏢": ("Büro", ("Ding",)), "🚗": ("Auto", ("Ding",))}
    assert "Ding" not in translate(german, english, surety=all_seen)  # one of three: 2 * 1 / (3 + 1) is less than 0.6
    found = translate(german | {"🚗": ("Auto", ())}, english, surety=all_seen)
    assert found["Ding"] == "home"  # of two: 2 * 1 / (2 + 1) is more


def test_an_emoji_that_only_one_language_has_counts_for_nothing():
    found = translate(GERMAN, ENGLISH, surety=all_seen)
    assert not {"Dodo", "Vogel"} & found.keys()
    assert not {"dotted line face", "hidden"} & set(found.values())


def test_of_equals_the_shorter_word_is_taken():
    english = {"🏠": ("house", ("habitation", "home", "dwelling"))}
    assert translate({"🏠": ("Haus", ("Heim",))}, english, surety=all_seen)["Heim"] == "home"


def test_of_equals_the_best_known_is_taken_and_of_several_guesses_none():
    english = {"☕": ("hot beverage", ("chai", "coffee", "mug"))}
    german = {"☕": ("Heißgetränk", ("Kaffee",))}

    def meaning(**surety):
        return translate(german, english, surety=lambda word: surety.get(word, UNKNOWN)).get("Kaffee")

    assert meaning(coffee=SEEN, chai=GUESSED) == "coffee"
    assert meaning(coffee=SEEN, mug=SEEN) == "mug"
    assert meaning(coffee=GUESSED) == "coffee"
    assert meaning(coffee=GUESSED, mug=GUESSED) is None
    assert meaning() is None


def test_the_order_of_emoji_and_keywords_changes_nothing():
    def turned(side):
        return {emoji: (side[emoji][0], side[emoji][1][::-1]) for emoji in reversed(side)}

    assert translate(turned(GERMAN), turned(ENGLISH), surety=all_seen) == translate(GERMAN, ENGLISH, surety=all_seen)


def test_words_come_in_the_same_order_in_every_process():
    emoji = sorted(GERMAN.keys() & ENGLISH.keys())
    keywords = list(dict.fromkeys(word for one in emoji for word in GERMAN[one][1]))
    found = translate(GERMAN, ENGLISH, surety=all_seen)
    assert list(found) == list(
        dict.fromkeys([*filter(found.__contains__, keywords), *(GERMAN[one][0] for one in emoji)])
    )


def test_a_language_translated_into_itself_says_the_same():
    found = translate(GERMAN, GERMAN, surety=all_seen)
    for name, _ in GERMAN.values():
        assert found[name] == name
    assert found["Tier"] == "Tier"


def write(folder, content):
    path = folder / "annotations" / "de" / "annotations.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content), "utf-8")


def test_annotations_are_read_and_what_has_no_name_is_left_out(tmp_path):
    entries = {
        "🐕": {"default": ["Haustier", "Hund"], "tts": ["Hund"]},
        "🐈": {"tts": ["Katze"]},
        "🐎": {"default": ["Tier"]},
    }
    write(tmp_path, {"annotations": {"identity": {"language": "de"}, "annotations": entries}})
    assert read_annotations(tmp_path, "de") == {"🐕": ("Hund", ("Haustier", "Hund")), "🐈": ("Katze", ())}


def test_a_language_that_is_not_there_is_named_with_its_file(tmp_path):
    with pytest.raises(SeesayError, match=r"annotations\.json has no annotations of CLDR"):
        read_annotations(tmp_path, "tlh")


@pytest.mark.parametrize("content", [{}, {"annotations": {}}])
def test_another_form_is_refused(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(SeesayError, match="has no annotations of CLDR"):
        read_annotations(tmp_path, "de")


@pytest.mark.parametrize(
    ("language", "word", "english"),
    [("de", "rotes", "red"), ("es", "niña", "child"), ("fr", "à côté de", "next to"), ("zh", "两只", "two")],
)
def test_common_words_come_in_all_their_forms(language, word, english):
    assert read_common_words(language)[word] == english


@pytest.mark.parametrize("language", ["de", "es", "fr", "zh"])
def test_common_words_are_clean(language):
    words = read_common_words(language)
    assert len(words) > 100
    assert all(word and word == word.strip() for pair in words.items() for word in pair)
