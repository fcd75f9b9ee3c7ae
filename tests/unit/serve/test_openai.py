"""`/v1/embeddings` speaks as OpenAI's clients do."""

import base64

import numpy as np
import pytest
from hostile import saved
from PIL import Image

from seesay.encoders import load


@pytest.fixture(scope="module")
def encoder():
    return load("starter")


def ask(client, given, **fields):
    answer = client.post("/v1/embeddings", json={"input": given} | fields)
    assert answer.status_code == 200, answer.text
    return np.array([each["embedding"] for each in answer.json()["data"]], np.float32)


URL = "data:image/png;base64," + base64.b64encode(saved("PNG")).decode()


def test_texts_and_pictures_come_back_in_order_as_the_model_gives_them(client, encoder):
    import io

    (image,) = encoder.encode_images([Image.open(io.BytesIO(saved("PNG")))])
    red, blue = encoder.encode_texts(["red", "blue"])
    expected = np.stack([red, image, blue])
    for given in (
        ["red", URL, "blue"],
        [{"text": "red"}, {"image": URL}, {"type": "text", "text": "blue"}],
        ["red", {"type": "image_url", "image_url": {"url": URL}}, "blue"],
        ["red", {"image_url": URL}, "blue"],
    ):
        # 1e-5: a batch of other size takes the sums in another order
        np.testing.assert_allclose(ask(client, given), expected, atol=1e-5)
    np.testing.assert_allclose(ask(client, "red"), red[None], atol=1e-5)


def test_base64_is_the_same_numbers_as_little_endian_float32(client):
    answer = client.post("/v1/embeddings", json={"input": ["red", "blue"], "encoding_format": "base64"}).json()
    packed = [np.frombuffer(base64.b64decode(each["embedding"]), "<f4") for each in answer["data"]]
    np.testing.assert_allclose(np.stack(packed), ask(client, ["red", "blue"]), atol=1e-6)
    assert [each["index"] for each in answer["data"]] == [0, 1]


def test_rows_have_length_one_and_usage_counts_tokens(client, encoder):
    answer = client.post("/v1/embeddings", json={"input": ["a red car", URL], "model": "starter"}).json()
    assert np.linalg.norm([each["embedding"] for each in answer["data"]], axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == encoder.count_tokens(["a red car"])
    assert (answer["object"], answer["model"]) == ("list", encoder.id)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"input": "a", "model": "text-embedding-3-small"}, 404, "not served here"),
        ({"input": "a", "dimensions": 12}, 400, "leave dimensions out"),
        ({"input": [1, 2, 3]}, 400, "send the text"),
        ({"input": [[1, 2], [3]]}, 400, "send the text"),
        ({"input": []}, 400, "from 1 to 2048"),
        ({"input": ["a"] * 2049}, 400, "from 1 to 2048"),
        ({"input": [{"text": "a", "image": URL}]}, 400, "one of"),
        ({"input": [{"image": "http://example.org/a.png"}]}, 400, "not fetched"),
        ({"input": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}, 400, "not fetched"),
        ({"input": "data:image/png;base64,AAAA"}, 400, ""),
        ({"input": ""}, 400, ""),
        ({"input": ["a", " "]}, 400, ""),
        ({"input": "a", "encoding_format": "int8"}, 422, "float"),
        ({}, 400, "send input, or messages"),
        ({"input": "a", "messages": []}, 400, "not both"),
        ({"input": [1.5] * 5000}, 400, "from 1 to 2048"),
        ({"input": [1.5, 2.5]}, 400, "send the text"),
        ({"input": [{}]}, 400, "got none"),
        ({"input": [{"text": 5}]}, 400, "text must be a text, got a number"),
        ({"input": [True]}, 400, ""),
        ({"input": [{"image": {"a": 1}}]}, 400, "image must be a text, got an object"),
        ({"input": "a" * 122_881}, 400, "122,880 at most"),
        ({"input": ["http://example.org/a.png"], "modality": "image"}, 400, "not fetched"),
        ({"input": ["a dog!"], "modality": "image"}, 400, "base64"),
        ({"input": [{"text": "a dog"}], "modality": "image"}, 400, "modality is image"),
        ({"input": ["x"], "modality": "audio"}, 400, "must be one of text, image"),
        ({"input": "data:audio/wav;base64,UklGRg=="}, 400, "of audio/wav"),
        ({"input": "DATA:AUDIO/WAV;BASE64,UklGRg=="}, 400, "of audio/wav"),
        ({"input": "data:image/png,abc"}, 400, "base64"),
        ({"input": "data:application/octet-stream;base64,UklGRg=="}, 400, ""),
        ({"messages": [{"role": "user", "content": "a dog"}, {"role": "user", "content": "a cat"}]}, 400, "got 2"),
        ({"messages": "a dog"}, 400, "got 0"),
    ],
)
def test_what_it_does_not_do_is_refused_in_openai_s_shape(client, body, status, said):
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert said in error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


PICTURE = base64.b64encode(saved("PNG")).decode()


@pytest.mark.parametrize(
    "body",
    [
        {"input": [URL], "modality": "image"},  # infinity
        {"input": [PICTURE], "modality": "image"},
        {"input": [{"image": PICTURE}]},  # jina
        {"input": [{"image": "\n".join(PICTURE[at : at + 76] for at in range(0, len(PICTURE), 76))}]},
        {"input": "DATA:IMAGE/PNG;BASE64," + PICTURE},
        {"input": "data:application/octet-stream;base64," + PICTURE},
        {"input": "data:image/png;charset=utf-8;base64," + PICTURE},
        {
            "messages": [  # vLLM
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": ""}],
                }
            ]
        },
    ],
)
def test_a_picture_in_the_shape_of_a_known_client_is_that_picture(client, body):
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    (given,) = answer.json()["data"]
    np.testing.assert_allclose([given["embedding"]], ask(client, URL), atol=1e-5)


def test_a_text_in_the_shape_of_a_known_client_is_that_text(client):
    for body in (
        {"messages": [{"role": "user", "content": "a red car"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a red car"}]}]},
        {"input": ["a red car"], "modality": "text"},
        {"input": "a red car", "model": None, "encoding_format": None, "dimensions": None, "user": None},
    ):
        answer = client.post("/v1/embeddings", json=body)
        assert answer.status_code == 200, answer.text
        (given,) = answer.json()["data"]
        np.testing.assert_allclose([given["embedding"]], ask(client, "a red car"), atol=1e-5)


def test_a_data_url_that_is_said_to_be_a_text_is_one(client):
    assert np.abs(ask(client, URL[:200], modality="text") - ask(client, URL)).max() > 0.01


def test_a_text_far_longer_than_the_context_is_cut_before_it_is_read(client):
    begin = "a red car on a road " * 600
    np.testing.assert_allclose(ask(client, begin), ask(client, begin + "\N{DROMEDARY CAMEL} a dog " * 6000), atol=1e-5)


def test_an_address_is_a_text_like_any_other(client):
    assert ask(client, "http://example.org/a.png").shape == (1, 384)


def test_its_own_number_of_dimensions_may_be_named(client):
    assert ask(client, "a", dimensions=384).shape == (1, 384)


def test_the_models_are_the_one_that_is_served(client, encoder):
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"]) == (encoder.id, "model")
    assert client.get(f"/v1/models/{encoder.id}").json() == model
    assert client.get("/v1/models/gpt-4").json()["error"]["code"] == "model_not_found"


def test_a_text_longer_than_the_context_is_cut_and_not_refused(client):
    long = "a red car on a road " * 200
    np.testing.assert_allclose(ask(client, long), ask(client, long + "and a dog"), atol=1e-5)
