"""An H.264 stream of field pictures, written by hand: no free encoder makes them, and broadcasts are full of them.

Each frame is two coded pictures, the upper and the lower field; a group begins with two fields of raw samples (I_PCM),
whose grey tells groups apart, and goes on with fields that repeat what is before. Source: ITU-T H.264, 7.3.
"""

from pathlib import Path

import av

GROUP = 10  # frames
_MB = 16


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, size: int) -> "_Bits":
        self.text += f"{value:0{size}b}"
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            self.text += f"{value + 1:b}".zfill(2 * (value + 1).bit_length() - 1)
        return self

    def align(self) -> "_Bits":
        self.text += "0" * (-len(self.text) % 8)
        return self

    def unit(self, head: int) -> bytes:
        """As a NAL unit of a byte stream."""
        body = self.u(1, 1).align().text
        content = bytes(int(body[place : place + 8], 2) for place in range(0, len(body), 8))
        return b"\0\0\0\1" + bytes([head]) + _escaped(content)


def _escaped(content: bytes) -> bytes:
    out, zeros = bytearray(), 0
    for byte in content:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _head() -> bytes:
    """Main profile, 32 x 32, frames or fields, two reference frames, output in the order of decoding."""
    sps = _Bits().u(77, 8).u(0, 8).u(30, 8).ue(0, 0, 2, 2).u(0, 1).ue(1, 0).u(0b001, 3).u(0, 1).u(0, 1)
    pps = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(0, 3)
    return sps.unit(0x67) + pps.unit(0x68)


def _field(frame: int, *, is_lower: bool, is_key: bool) -> bytes:
    kind = 5 if frame == 0 and not is_lower else 1
    bits = _Bits().ue(0, 7 if is_key else 5, 0).u(frame % 16, 4).u(1, 1).u(is_lower, 1)
    bits = bits.ue(0) if kind == 5 else bits
    bits = bits if is_key else bits.u(0, 1).u(0, 1)  # as many references as usual, in their usual order
    bits = (bits.u(0, 2) if kind == 5 else bits.u(0, 1)).ue(0)
    if is_key:
        for _ in range(2):  # raw samples: grey, another one in every group
            bits = bits.ue(25).align()
            for sample in [16 + frame * 3 % 200 + 9 * is_lower] * _MB**2 + [128] * (_MB**2 // 2):
                bits = bits.u(sample, 8)
    else:
        bits = bits.ue(2)  # both macroblocks as they were
    return bits.unit(0x60 | kind)


def _recovery_point() -> bytes:
    return _Bits().u(6, 8).u(1, 8).u(0b11001, 5).u(0b100, 3).unit(0x06)


def write_fields(path: Path, num_frames: int) -> Path:
    """Write them into a container, each frame a packet of two fields with one time."""
    raw = path.with_suffix(".h264")
    packets = []
    for frame in range(num_frames):
        is_key = frame % GROUP == 0
        content = b"\0\0\0\1\x09\x30" + (_head() + _recovery_point() if is_key else b"")
        content += _field(frame, is_lower=False, is_key=is_key)
        packets.append((content + b"\0\0\0\1\x09\x30" + _field(frame, is_lower=True, is_key=is_key), is_key))
    raw.write_bytes(b"".join(content for content, _ in packets))
    with av.open(str(raw)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, (content, is_key) in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = round(number / 25 / stream.time_base) + round(1 / stream.time_base)
            packet.is_keyframe = is_key
            out.mux(packet)
    raw.unlink()
    return path
