"""The evaluator against CLIP_benchmark's own code: the same model, the same files, the same figures."""

import builtins
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from archives import marks_bytes, picture_bytes, write_root
from PIL import Image
from tiny import CLIP, make_bundle

from seesay.encoders import foreign
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.selftest import make_picture
from seesay.encoders.torch import TorchBackend
from seesay.evaluation.adapters import from_open_clip, from_transformers
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.run import evaluate

classification = pytest.importorskip(
    "clip_benchmark.metrics.zeroshot_classification", reason="clip-benchmark is not installed"
)
retrieval = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval")

CLASSES = ["ant", "big bee", "cat", "dog", "elk", "fox", "gnu"]
TEMPLATES = ["a photo of a {c}.", "{c}!", "the {c} in a drawing"]
NUM = 70
RANDOM = np.random.default_rng(7)
LABELS = RANDOM.integers(0, len(CLASSES), NUM) * (RANDOM.random(NUM) < 0.7)  # the first class comes most often
LABELS[: len(CLASSES)] = np.arange(len(CLASSES))
MARKS = RANDOM.random((NUM, len(CLASSES))) < 0.3
CAPTIONS = [
    [f"{CLASSES[RANDOM.integers(len(CLASSES))]} number {number} {place}" for place in range(1 + number % 3)]
    for number in range(NUM)
]
CONTENTS = [picture_bytes(make_picture(number, (40 + number, 50))) for number in range(NUM)]


@pytest.fixture(autouse=True)
def numbers_of_one(monkeypatch):
    """Its `accuracy` calls float() on an array of one number, which NumPy 2.4 refuses; the rest stays."""
    monkeypatch.setattr(classification, "float", lambda value: builtins.float(value.item()), raising=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", CLIP, "clip")


@pytest.fixture(scope="module")
def theirs(open_clip, bundle, tmp_path_factory):
    """open_clip's model with its transform and tokenizer."""
    folder = tmp_path_factory.mktemp("open_clip")
    foreign.write_open_clip(bundle, folder)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval(), transform, open_clip.get_tokenizer(f"local-dir:{folder}")


@pytest.fixture(params=["live open_clip", "ours"])
def encoder(request, theirs, bundle):
    if request.param == "ours":
        return BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True)
    return from_open_clip(*theirs)


class Told(torch.utils.data.Dataset):
    """The pictures with what is said of them, as CLIP_benchmark takes them."""

    classes = CLASSES

    def __init__(self, transform, said):
        self.transform, self.said = transform, said

    def __len__(self):
        return NUM

    def __getitem__(self, number):
        return self.transform(Image.open(io.BytesIO(CONTENTS[number]))), self.said[number]


def load(theirs, said, **options):
    return torch.utils.data.DataLoader(Told(theirs[1], said), batch_size=16, **options)


def open_root(folder, said, **options):
    examples = [{"png": content, **one} for content, one in zip(CONTENTS, said, strict=True)]
    return open_dataset(str(write_root(folder / "made", {"test": examples}, **options)))


def figures(encoder, dataset, task, cache):
    (result,) = evaluate(encoder, [dataset], [task], cache=cache)
    return {measure.name: measure.value for measure in result.measures}


def test_accuracy_is_theirs(theirs, encoder, tmp_path):
    model, _, tokenizer = theirs
    loader = load(theirs, LABELS)
    expected = classification.evaluate(model, loader, tokenizer, CLASSES, TEMPLATES, "cpu", amp=False)
    said = [{"cls": str(label).encode()} for label in LABELS]
    dataset = open_root(tmp_path, said, classes=CLASSES, templates=TEMPLATES)
    found = figures(encoder, dataset, "zeroshot", tmp_path)
    assert found == {"accuracy": expected["acc1"], "top5_accuracy": expected["acc5"]}
    assert 0 < found["accuracy"] < found["top5_accuracy"] < 1


def test_the_mean_over_classes_is_theirs(theirs, encoder, tmp_path):
    model, _, tokenizer = theirs
    loader = load(theirs, LABELS)
    expected = classification.evaluate(model, loader, tokenizer, CLASSES, TEMPLATES, "cpu", amp=False)
    said = [{"cls": str(label).encode()} for label in LABELS]
    dataset = open_root(tmp_path, said, classes=CLASSES, templates=TEMPLATES)
    dataset = replace(dataset, labels=replace(dataset.labels, metric="mean_per_class"))
    found = figures(encoder, dataset, "zeroshot", tmp_path)
    assert found["mean_per_class"] == pytest.approx(expected["mean_per_class_recall"], abs=1e-15)
    assert found["mean_per_class"] != pytest.approx(found["accuracy"], abs=1e-3)


def test_mean_average_precision_of_several_labels_is_theirs(theirs, encoder, tmp_path):
    model, _, tokenizer = theirs
    loader = load(theirs, MARKS.astype(np.int64))
    expected = classification.evaluate(model, loader, tokenizer, CLASSES, TEMPLATES, "cpu", amp=False)
    said = [{"npy": marks_bytes(marks.astype(np.int64))} for marks in MARKS]
    dataset = open_root(tmp_path, said, classes=CLASSES, templates=TEMPLATES, kind="multilabel")
    found = figures(encoder, dataset, "zeroshot", tmp_path)
    # theirs is a mean of float32
    assert found == {"mean_average_precision": pytest.approx(expected["mean_average_precision"], abs=2e-7)}


def test_recall_is_theirs_both_ways(theirs, encoder, tmp_path):
    model, _, tokenizer = theirs
    loader = load(theirs, CAPTIONS, collate_fn=lambda some: (torch.stack([x for x, _ in some]), [y for _, y in some]))
    expected = retrieval.evaluate(model, loader, tokenizer, "cpu", amp=False, recall_k_list=[1, 5, 10])
    dataset = open_root(tmp_path, [{"txt": "\n".join(texts).encode()} for texts in CAPTIONS], kind="retrieval")
    found = figures(encoder, dataset, "retrieval", tmp_path)
    for k in (1, 5, 10):  # theirs are float32
        assert np.float32(found[f"text_to_image_recall@{k}"]) == np.float32(expected[f"image_retrieval_recall@{k}"])
        assert np.float32(found[f"image_to_text_recall@{k}"]) == np.float32(expected[f"text_retrieval_recall@{k}"])
    assert 0 < found["text_to_image_recall@10"] < 1
    assert 0 < found["image_to_text_recall@10"] < 1


@pytest.fixture(scope="module")
def hf(transformers, bundle, tmp_path_factory):
    """transformers' model with its processor."""
    folder = tmp_path_factory.mktemp("hf")
    foreign.write_hf(bundle, folder)
    processor = transformers.CLIPProcessor(
        transformers.CLIPImageProcessorPil.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    return transformers.AutoModel.from_pretrained(folder), processor


def test_a_live_model_of_transformers_gives_the_figures_of_ours(hf, bundle, tmp_path):
    examples = [  # 50 x 100 becomes 64 x 128: the crop has the same middle in both, see the next test
        {"png": picture_bytes(make_picture(number, (50, 100))), "cls": str(label).encode()}
        for number, label in enumerate(LABELS)
    ]
    root = write_root(tmp_path / "made", {"test": examples}, classes=CLASSES, templates=TEMPLATES)
    ours = BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True)
    wrapped = from_transformers(*hf)
    assert wrapped.id.startswith("transformers@")
    assert wrapped.scale == pytest.approx(bundle.logit_scale)
    found = figures(wrapped, open_dataset(str(root)), "zeroshot", tmp_path)
    assert found == figures(ours, open_dataset(str(root)), "zeroshot", tmp_path)
    assert 0 < found["top5_accuracy"] < 1


def test_transformers_crops_a_pixel_beside_ours_where_a_half_pixel_is_rounded_up(hf, bundle, theirs):
    """It rounds the crop's start down; OpenAI, open_clip and we round to even, as torchvision does."""
    ours = BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True).transform
    processor = hf[1].image_processor
    differs = {}
    for width, margin in ((54, 5), (55, 6), (56, 7), (65, 19)):
        picture = make_picture(width, (width, 50))
        pixels = processor([picture], return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
        pixels = np.rint((pixels * processor.image_std + processor.image_mean) * 255).astype(np.uint8)
        mine = ours(picture)
        differs[margin] = bool((pixels != mine).any())
        if differs[margin]:
            np.testing.assert_array_equal(pixels[:, 1:], mine[:, :-1])
        np.testing.assert_allclose(  # open_clip is with us in every case
            theirs[1](picture).permute(1, 2, 0).numpy() * processor.image_std + processor.image_mean,
            mine / 255,
            atol=1e-6,
        )
    assert differs == {5: False, 6: False, 7: True, 19: True}


def test_a_live_model_is_known_by_its_weights(theirs):
    model, transform, tokenizer = theirs
    one = from_open_clip(model, transform, tokenizer)
    assert one.id == from_open_clip(model, transform, tokenizer).id
    with torch.no_grad():
        model.logit_scale += 0.5
        other = from_open_clip(model, transform, tokenizer)
        model.logit_scale -= 0.5
    assert other.id != one.id
    assert other.scale == pytest.approx(one.scale * np.exp(0.5), rel=1e-5)
