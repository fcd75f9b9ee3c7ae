"""How fast pictures and texts become vectors, beside open_clip and transformers with the same random weights.

    python bench/encoders.py [--models ViT-B-32-quickgelu ...] [--classes 1000] [--device cuda]

One process. Each round asks every contestant in turn, because the machine may have other work; a rate is the median
of the rounds, a ratio the median of the ratios within a round. Pictures start as uint8 for us, who normalise on the
way, and as normalised float32 for the others, who are thus spared that work. Texts start as strings for all. Peak
memory is a process of its own for each. On a GPU everyone runs in bf16, open_clip also compiled.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import import_peer, make_bundle, open_clip_model, transformers_model

from seesay.encoders import load
from seesay.models.size import measure
from seesay.models.variants import VARIANTS
from seesay.tasks.classify import build_classifier

MODELS = ("ViT-B-32-quickgelu", "ViT-B-16-quickgelu", "RN50-quickgelu")
BATCHES = {"cpu": (1, 8, 32), "cuda": (1, 8, 32, 256)}
Vectors = NDArray[np.float32]
Embed = Callable[[Any], Vectors]


def _unit(vectors: Any) -> Vectors:
    rows = np.asarray(vectors, dtype=np.float32)
    units: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def _normalized(pixels: NDArray[np.uint8], bundle_image: Any, device: str) -> Any:
    torch = import_peer("torch")
    rows = (pixels.astype(np.float32) / 255 - np.float32(bundle_image.mean)) / np.float32(bundle_image.std)
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2))).to(device)


def contestants(variant: str, folder: Path, device: str, only: str | None = None) -> dict[str, tuple[Embed, Embed]]:
    """Name -> (pictures to vectors, texts to vectors); whoever has no such model is left out."""
    torch = import_peer("torch")
    bundle_image = load(str(folder)).bundle.image
    found: dict[str, tuple[Embed, Embed]] = {}

    def ours(place: Path, backend: Any) -> tuple[Embed, Embed]:
        options: dict[str, Any] = {"device": device} if backend == "torch" else {}
        encoder = load(str(place), backend=backend, cache_bytes=0, **options)
        return lambda pixels: _unit(encoder._backend.embed_pixels(pixels)), encoder.encode_texts

    def theirs(images: Callable[[Any], Any], texts: Callable[[Any], Any]) -> tuple[Embed, Embed]:
        def run(work: Callable[[Any], Any], given: Any) -> Vectors:
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
                return _unit(work(given).float().cpu().numpy())

        kept: dict[int, Any] = {}  # the pictures are normalised once, outside the clock

        def prepared(pixels: Any) -> Any:
            if len(pixels) not in kept:
                kept[len(pixels)] = _normalized(pixels, bundle_image, device)
            return kept[len(pixels)]

        return lambda pixels: run(images, prepared(pixels)), lambda given: run(texts, given)

    if device == "cpu":
        if only in (None, "onnx"):
            found["onnx"] = ours(folder, "onnx")
        if only in (None, "onnx int8"):
            found["onnx int8"] = ours(folder.with_name("int8"), "onnx")
    if only in (None, "torch"):
        found["torch"] = ours(folder, "torch")
    if only in (None, "open_clip"):
        model, tokenize = open_clip_model(variant, folder)
        model.to(device)
        found["open_clip"] = theirs(model.encode_image, lambda given: model.encode_text(tokenize(given).to(device)))
        if device != "cpu":
            images, texts = torch.compile(model.encode_image), torch.compile(model.encode_text)
            found["open_clip compiled"] = theirs(images, lambda given: texts(tokenize(given).to(device)))
    peer = transformers_model(folder, folder.with_name("hf")) if only in (None, "transformers") else None
    if peer is not None:
        hf, hf_tokenize = peer
        hf.to(device)

        def pooled(answer: Any) -> Any:  # a tensor, or in newer releases an output that holds it
            return answer if isinstance(answer, torch.Tensor) else answer.pooler_output

        found["transformers"] = theirs(
            lambda pixels: pooled(hf.get_image_features(pixel_values=pixels)),
            # padded to the batch's longest, the most favourable way it documents
            lambda given: pooled(
                hf.get_text_features(**hf_tokenize(given, padding=True, return_tensors="pt").to(device))
            ),
        )
    return found


def seconds(work: Callable[[], Any], *, least_s: float) -> float:
    """Of one call, from as many calls as fill the time."""
    calls, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < least_s or calls == 0:
        work()
        calls += 1
    return taken / calls


def ceiling(device: str) -> float:
    """Operations a second of a large matrix product, the most that any tower could reach."""
    torch = import_peer("torch")
    side = 2048 if device == "cpu" else 8192
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    left, right = (torch.randn(side, side, dtype=kind, device=device) for _ in range(2))

    def product() -> None:
        torch.mm(left, right)
        if device != "cpu":
            torch.cuda.synchronize()

    product()
    return float(2 * side**3 / min(seconds(product, least_s=0.3) for _ in range(5)))


def compare(kind: str, work: dict[str, Embed], batch: Any, *, rounds: int, flops: float, top: float) -> None:
    """Print one line a contestant: rate, ratio to open_clip, share of the ceiling, agreement."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    answers = {name: embed(batch) for name, embed in work.items()}  # also the warm-up
    for _ in range(rounds):
        for name, embed in work.items():
            taken[name].append(seconds(partial(embed, batch), least_s=0.5))
    for name, times in taken.items():
        ratios = [peer / own for own, peer in zip(times, taken["open_clip"], strict=True)]
        rate = len(batch) / statistics.median(times)
        share = f"{100 * rate * flops / top:6.0f} %" if flops else "        "
        cosine = float((answers[name] * answers["open_clip"]).sum(axis=1).min())
        print(
            f"{kind:<8}{len(batch):>5}  {name:<20}{rate:>9.1f}/s {statistics.median(ratios):>7.2f}"
            f"  ({min(ratios):.2f} to {max(ratios):.2f}) {share}  {cosine:.7f}",
            flush=True,
        )


def peak_bytes(variant: str, folder: Path, name: str, queue: Any) -> None:
    """In a process of its own: the memory after a batch of 32 pictures and 32 texts."""
    images, texts = contestants(variant, folder, "cpu", only=name)[name]
    side = load(str(folder)).bundle.image.size_px
    images(np.zeros((32, side, side, 3), np.uint8))
    texts([f"a photo of thing {number}" for number in range(32)])
    # not ru_maxrss, which a new process takes over from the one that started it
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    queue.put(int(line.split()[1]) * 1024)


def print_memory(variant: str, folder: Path, names: list[str]) -> None:
    """The whole process of each, imports and all."""
    spawn = multiprocessing.get_context("spawn")
    for name in names:
        queue = spawn.Queue()
        process = spawn.Process(target=peak_bytes, args=(variant, folder, name, queue))
        process.start()
        print(f"memory       {name:<20}{queue.get() / 1e6:9.0f} MB", flush=True)
        process.join()


def bench_classifier(variant: str, folder: Path, device: str, num_classes: int, num_peers: int) -> None:
    """OpenAI's 1000 names and 80 templates: seconds, and open_clip's by what it takes for some of the names."""
    open_clip = import_peer("open_clip")
    torch = import_peer("torch")
    model, tokenize = open_clip_model(variant, folder)
    model.to(device)
    templates = [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    names = evenly(list(dict.fromkeys(open_clip.IMAGENET_CLASSNAMES)), num_classes)
    peers = evenly(list(range(len(names))), num_peers)
    calls = [template.format for template in templates]

    def theirs() -> Vectors:
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            weights = open_clip.build_zero_shot_classifier(
                model, tokenize, [names[peer] for peer in peers], calls, num_classes_per_batch=1, device=device
            )
        return np.asarray(weights.T.float().cpu().numpy(), np.float32)

    for backend in ("onnx", "torch") if device == "cpu" else ("torch",):
        options: dict[str, Any] = {"device": device} if backend == "torch" else {}
        encoder = load(str(folder), backend=backend, cache_bytes=0, **options)
        encoder.encode_texts(["a first call loads the weights"])
        begun = time.perf_counter()
        reference = theirs()
        peer_s = (time.perf_counter() - begun) / len(peers)
        begun = time.perf_counter()
        ours = build_classifier(encoder, names, templates)
        ours_s = (time.perf_counter() - begun) / len(names)
        cosine = float((ours[peers] * reference).sum(axis=1).min())
        print(
            f"classifier of {len(names)} classes x {len(templates)} templates, {backend}: {ours_s * len(names):.1f} s; "
            f"open_clip {peer_s * len(names):.0f} s by {len(peers)} of them: {peer_s / ours_s:.1f} times; "
            f"lowest cosine of those {cosine:.7f}",
            flush=True,
        )


def check_classifier(variant: str, folder: Path, num_classes: int) -> None:
    """Every class vector against open_clip's model, which is given texts without most padding."""
    open_clip = import_peer("open_clip")
    torch = import_peer("torch")
    model, tokenize = open_clip_model(variant, folder)
    templates = [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    names = evenly(list(dict.fromkeys(open_clip.IMAGENET_CLASSNAMES)), num_classes)
    ours = build_classifier(load(str(folder), cache_bytes=0), names, templates)
    positions, mask = model.positional_embedding.data, model.attn_mask
    lowest = 1.0
    for name, vector in zip(names, ours, strict=True):
        tokens = tokenize([template.replace("{}", name) for template in templates])
        longest = int((tokens != 0).sum(dim=1).max())
        model.positional_embedding = torch.nn.Parameter(positions[:longest])
        model.attn_mask = mask[:longest, :longest]
        with torch.inference_mode():
            mean = _unit(model.encode_text(tokens[:, :longest]).numpy()).mean(axis=0)
        lowest = min(lowest, float(vector @ mean / np.linalg.norm(mean)))
    print(f"lowest cosine of all {len(names)} class vectors to open_clip's: {lowest:.7f}", flush=True)


def evenly(items: list[Any], count: int) -> list[Any]:
    """So many of the items, spread over the list."""
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, min(count, len(items)))]


def bench_model(variant: str, folder: Path, device: str, rounds: int, top: float) -> list[str]:
    """Print the table of one model; returns who took part."""
    config = VARIANTS[variant].model
    side = config["image"]["image_size"]
    flops = measure(config, image_size=side, context_length=config["text"]["context_length"]).image_flops
    rivals = contestants(variant, folder, device)
    generator = np.random.default_rng(0)
    batches = BATCHES["cpu" if device == "cpu" else "cuda"]
    print(f"\n{variant}, {device}; ratio to open_clip; share of {top / 1e9:.0f} GFLOP/s; lowest cosine to open_clip")
    for size in batches:
        pixels = generator.integers(0, 256, (size, side, side, 3), dtype=np.uint8)
        images = {name: pair[0] for name, pair in rivals.items()}
        compare("images", images, pixels, rounds=rounds, flops=flops, top=top)
    names = evenly(list(dict.fromkeys(import_peer("open_clip").IMAGENET_CLASSNAMES)), 32)
    for size in batches:
        texts = [f"a photo of a {name}." for name in names[:size]]
        # no share for texts: contestants do not do the same work
        words = {name: pair[1] for name, pair in rivals.items() if name != "onnx int8"}
        compare("texts", words, texts, rounds=rounds, flops=0, top=top)
    return list(rivals)


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="the first one also makes the classifier")
    parser.add_argument("--classes", type=int, default=1000, help="of ImageNet's 1000; 0 for no classifier")
    parser.add_argument("--peer-classes", type=int, default=4, help="of those, how many open_clip makes")
    parser.add_argument("--check-all", action="store_true", help="compare every class vector; takes 10 minutes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch = import_peer("torch")
    card = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} cores"
    print(f"torch {torch.__version__}, {card}")
    top = ceiling(arguments.device)
    for number, variant in enumerate(arguments.models):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            make_bundle(variant, folder, int8_folder=folder.with_name("int8"))
            names = bench_model(variant, folder, arguments.device, arguments.rounds, top)
            if arguments.device == "cpu":
                print_memory(variant, folder, names)
            if number == 0 and arguments.classes:
                bench_classifier(variant, folder, arguments.device, arguments.classes, arguments.peer_classes)
            if number == 0 and arguments.check_all:
                check_classifier(variant, folder, arguments.classes)


if __name__ == "__main__":
    main()
