"""Pictures of high dynamic range and of wide colour, as arrays, to 8-bit sRGB.

Light is measured in cd/m2 on a display of 1000, for which most such material is made. What is brighter than a page of
paper (203, ITU-R BT.2408) rolls off into white along the curve of ITU-R BT.2390-11, section 5.4.1, with the brightest
of the three colours deciding, so that hues stay. Metadata of single files is not read.
Shape legend: H rows, W columns.
"""

from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Curve: TypeAlias = Literal["pq", "hlg", "sdr"]
Gamut: TypeAlias = Literal["bt709", "p3", "bt2020"]
Floats: TypeAlias = NDArray[np.float32]

PEAK, WHITE = 1000.0, 203.0  # cd/m2: of the display that the material is for; of white on ours

# ITU-R BT.2100-2, table 4: perceptual quantiser
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# table 5: hybrid log-gamma, and the gamma of its display at 1000 cd/m2
_A, _B, _C, _GAMMA = 0.17883277, 0.28466892, 0.55991073, 1.2
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
# ITU-R BT.2087-0, section 2.2, inverted
_BT2020_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
# Display P3's primaries and BT.709's share their white: SMPTE EG 432-1, table 1, through XYZ
_P3_TO_709 = np.array([[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0983]], np.float32)
_TO_709 = {"bt2020": _BT2020_TO_709, "p3": _P3_TO_709}
_STEPS = 65535


def to_srgb(signal: NDArray[np.uint16], *, curve: Curve, gamut: Gamut) -> NDArray[np.uint8]:
    """From the numbers that a file stores to those of an ordinary picture.

    Args:
        signal: (H, W, 3) R'G'B' over the full range, 65535 the most.
        curve: how numbers mean light; `sdr` has no more than white, and its greys stay as they are.
        gamut: whose red, green and blue they are; `p3` is Display P3.

    Returns:
        (H, W, 3) sRGB. What it cannot show is clipped, channel by channel.
    """
    light = _light_table(curve)[signal]  # 1 is white
    if curve == "pq":
        light *= _gain_table()[signal.max(axis=2)][..., None]
    elif curve == "hlg":
        light *= (PEAK / WHITE) * ((light @ _LUMINANCE_2020) ** (_GAMMA - 1))[..., None]
        light *= _roll_off(light.max(axis=2))[..., None]
    if gamut != "bt709":
        light = light @ _TO_709[gamut].T
    return _srgb_table()[(light.clip(0, 1) * _STEPS + 0.5).astype(np.uint16)]


@lru_cache(maxsize=3)
def _light_table(curve: Curve) -> Floats:
    """What each of 65536 steps means in light: of white; for `hlg` in the scene, 1 the most."""
    steps = np.arange(_STEPS + 1) / _STEPS
    if curve == "pq":
        light = pq_to_light(steps) / WHITE
    elif curve == "hlg":
        light = np.where(steps <= 0.5, steps**2 / 3, (np.exp((steps - _C) / _A) + _B) / 12)
    else:
        light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_table() -> NDArray[np.uint8]:
    """8-bit sRGB of 65536 steps of light: IEC 61966-2-1."""
    light = np.arange(_STEPS + 1) / _STEPS
    signal = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(signal * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _gain_table() -> Floats:
    """The factor of the roll-off for each step of PQ."""
    return _roll_off(_light_table("pq"))


def _roll_off(light: Floats) -> Floats:
    """What light is multiplied by, so that `PEAK` becomes white and the darker half stays.

    Args:
        light: any shape, 1 is white.
    """
    signal = light_to_pq(np.minimum(light.astype(np.float64) * WHITE, PEAK)) / _pq_of(PEAK)
    most = _pq_of(WHITE) / _pq_of(PEAK)
    knee = 1.5 * most - 0.5
    t = np.maximum((signal - knee) / (1 - knee), 0.0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    target = pq_to_light(np.where(signal < knee, signal, spline) * _pq_of(PEAK)) / WHITE
    return (target / np.maximum(light, 1e-6)).astype(np.float32)


def pq_to_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The perceptual quantiser's signal, 0 to 1, as cd/m2."""
    power = signal ** (1 / _M2)
    light: NDArray[np.float64] = 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """cd/m2 as the perceptual quantiser's signal, 0 to 1."""
    power = (np.maximum(light, 0) / 10000) ** _M1
    signal: NDArray[np.float64] = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def _pq_of(light: float) -> float:
    return float(light_to_pq(np.array(light)))
