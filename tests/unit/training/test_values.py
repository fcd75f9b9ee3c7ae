"""Settings as people type them: right ones are read, and wrong ones are a sentence before anything begins."""

import dataclasses
import math
import re
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

from seesay.base.errors import UsageError
from seesay.training.config import (
    OptimConfig,
    SaveConfig,
    TrainConfig,
    check_values,
    from_json,
    names,
    override,
    to_json,
)
from seesay.training.values import Range, split

WRONG = ("-1", "-0.5", "nan", "inf", "-inf", "1e300", f"1{'0' * 400}", "abc", "1,2,3", "0x10", "1e3", "", "true", "\0")


def kinds(config=TrainConfig, before=""):
    """Every field: its name, its type, its range."""
    for name, kind in get_type_hints(config, include_extras=True).items():
        if dataclasses.is_dataclass(kind):
            yield from kinds(kind, f"{before}{name}.")
        else:
            inner, *ranges = get_args(kind) if get_origin(kind) is Annotated else (kind,)
            yield before + name, inner, ranges


FIELDS = list(kinds())


def value_at(config, path):
    for part in path.split("."):
        config = getattr(config, part)
    return config


def numbers_of(value):
    values = value if isinstance(value, tuple) else (value,)
    return [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]


def test_every_field_that_is_a_number_has_a_range():
    assert [name for name, *_ in FIELDS] == names()
    is_number = re.compile(r"\b(int|float)\b")
    without = [name for name, kind, ranges in FIELDS if is_number.search(str(kind)) and not ranges]
    assert without == []


@pytest.mark.parametrize(("name", "kind", "ranges"), FIELDS, ids=names())
def test_whatever_is_typed_for_a_field_is_taken_or_refused_in_a_sentence(name, kind, ranges):
    refused = []
    typed = [*WRONG, *(f"{end}" for one in ranges for end in (one.low - 1, one.high * 2, *one.without))]
    for text in typed:
        try:
            config = override(TrainConfig(), [f"{name}={text}"])
        except UsageError as error:
            refused.append(str(error))
            continue
        for number in numbers_of(value_at(config, name)):
            assert math.isfinite(number)
            assert all(one.low <= number <= one.high and number not in one.without for one in ranges)
        assert from_json(to_json(config)) == config
    assert all(each.startswith(f"{name} cannot be ") and "it takes" in each for each in refused)
    assert refused or kind is str or str(kind).startswith("tuple[str")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lr=-1", r"optim.lr cannot be '-1'; it takes a number from 0 to 1e\+06"),
        ("wise=2", "wise cannot be '2'; it takes a number from 0 to 1"),
        ("optim.ema=1.5", r"optim.ema cannot be '1.5'; it takes a number from 0 to 1 \(not 1\)"),
        ("micro_batch=-3", "micro_batch cannot be '-3'; it takes a whole number from 0 to 16,777,216"),
        ("optim.betas=0.9", "optim.betas cannot be '0.9'; it takes 2 values with commas between"),
        ("loss=sofmax", "loss cannot be 'sofmax'; it takes .*softmax or sigmoid or matching"),
        ("data.flip=perhaps", "data.flip cannot be 'perhaps'; it takes true or false"),
        ('data.sources=["a"', "begins as a JSON list and is none"),
    ],
)
def test_a_refusal_says_what_it_got_and_what_it_takes(setting, message):
    with pytest.raises(UsageError, match=message):
        override(TrainConfig(), [setting])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TrainConfig(steps=-1), "steps cannot be -1"),
        (TrainConfig(optim=OptimConfig(lr=float("nan"))), "optim.lr cannot be nan"),
        (TrainConfig(optim=OptimConfig(betas=(0.9, 1.0))), r"optim.betas cannot be 1.0"),
        (TrainConfig(save=SaveConfig(keep="3")), "save.keep cannot be '3'; it takes a whole number from 1"),
        (TrainConfig(save=None), "save cannot be None; it takes a SaveConfig"),
        (TrainConfig(trackers="wandb"), "trackers cannot be 'wandb'"),
    ],
)
def test_a_config_made_in_python_is_held_to_the_same(config, message):
    with pytest.raises(UsageError, match=message):
        check_values(config)


def test_a_file_that_holds_no_settings_is_refused():
    for text in ("{", "[]", '{"steps": -1}', '{"optim": {"lr": null}}'):
        with pytest.raises(UsageError):
            from_json(text)


def test_commas_stand_between_sources_unless_within_braces_or_a_list():
    def sources(text):
        return override(TrainConfig(), [f"data.sources={text}"]).data.sources

    assert split("a-{0,{1,2}}.tar, b,c{d}") == ["a-{0,{1,2}}.tar", "b", "c{d}"]
    assert split("a{0,b") == ["a{0", "b"]
    assert sources("a,b") == ("a", "b")
    assert sources('["a, b/train.csv", " c "]') == ("a, b/train.csv", " c ")
    assert sources("") == ()


def test_a_path_with_a_comma_that_is_there_is_one_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pairs, v2", "[old] a,b"):
        (tmp_path / name).mkdir()
        assert override(TrainConfig(), [f"data.sources={name}"]).data.sources == (name,)


def test_a_field_may_be_none():
    config = override(TrainConfig(), ["model.init_bias=-5"])
    assert config.model.init_bias == -5.0
    assert from_json(to_json(config)) == config
    assert override(config, ["model.init_bias=none"]).model.init_bias is None


def test_a_range_says_itself():
    assert str(Range(0, 1, without=(1,))) == "from 0 to 1 (not 1)"
    assert 0.5 in Range(0, 1)
    assert float("nan") not in Range(0, 1)
