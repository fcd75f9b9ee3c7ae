"""Clips for tests: a square on a grey ground that moves to the left or to the right, as folders of frames."""

from PIL import Image

LABELS = ("moving left", "moving right")


def draw_clip(label, number=0, num_frames=8, size=48):
    """The frames of one clip; those of the other label are the same in reverse."""
    ground, colour = (90 + 7 * (number % 9),) * 3, [(200, 40, 40), (40, 180, 40), (50, 60, 200)][number % 3]
    frames = []
    for place in range(num_frames):
        frame = Image.new("RGB", (size, size), ground)
        left = round((size - 12) * place / (num_frames - 1))
        frame.paste(colour, (left, 12 + number % 12, left + 12, 24 + number % 12))
        frames.append(frame)
    return frames if label == "moving right" else frames[::-1]


def make_clips(root, count=4, part=""):
    """Write some of each label; returns their address."""
    for label in LABELS:
        for number in range(count):
            folder = root / part / label.replace(" ", "_") / f"clip_{number}"
            folder.mkdir(parents=True)
            for place, frame in enumerate(draw_clip(label, number)):
                frame.save(folder / f"img_{place + 1}.png")
    return f"videos:{root}#{part}" if part else f"videos:{root}"


def write_video(path, frames, rate=8):
    """Encode frames as an H.264 file."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.options = {"crf": "10"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode(None))
    return path
