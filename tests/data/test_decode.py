"""Every kind of picture becomes the pixels that its format's definition says, or a refusal that says why."""

from __future__ import annotations

import io
import random
import resource
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet.data import PictureError, open_picture, read_pixels, to_pixels
from alexnet.data.decode import fit, open_fitted
from alexnet.spec import PictureSpec

SIDE = 24
LUCK = np.random.default_rng(3)
RGB = LUCK.integers(0, 256, (16, SIDE, 3)).astype(np.uint8)
GREY = LUCK.integers(0, 256, (16, SIDE)).astype(np.uint8)
ALPHA = LUCK.choice(np.array([0, 1, 100, 254, 255], np.uint8), (16, SIDE))
DEEP = LUCK.integers(0, 65536, (16, SIDE)).astype(np.uint16)
PALETTE = LUCK.integers(0, 256, (256, 3)).astype(np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(np.arange(SIDE) * 10, np.arange(16)[:, None] * 15, 128), -1).astype(np.uint8)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def grey(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.repeat(np.asarray(values, np.float64)[..., None], 3, axis=-1)


def over_white(colour: NDArray[Any], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def palette_image(**info: Any) -> Image.Image:
    image = Image.frombytes("P", (SIDE, 16), GREY.tobytes())
    image.putpalette(PALETTE.tobytes())
    image.info.update(info)
    return image


def cmyk() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    inks = np.stack([SMOOTH[..., 0], SMOOTH[..., 1], SMOOTH[..., 2], SMOOTH[..., 1] // 2], -1)
    return inks, 255 * (1 - inks[..., :3] / 255) * (1 - inks[..., 3:] / 255)


def ycck() -> tuple[bytes, NDArray[np.float64]]:
    """A JPEG of Y, Cb, Cr and black, as Photoshop writes it, and its colours by JFIF's formulas.

    Pillow stores the bytes as CMYK; the Adobe mark, changed from 0 to 2, then says what they are. Adobe stores inks
    inverted, and so does Pillow: 255 is no ink.
    """
    luma, blue, red = SMOOTH[..., 1], SMOOTH[..., 0] // 2 + 64, SMOOTH[..., 2] - SMOOTH[..., 0] // 8
    black = np.full_like(luma, 30)
    content = bytearray(
        encode(
            Image.frombytes("CMYK", (SIDE, 16), np.stack([255 - luma, 255 - blue, 255 - red, black], -1).tobytes()),
            "JPEG",
            quality=95,
        )
    )
    mark = content.index(b"Adobe")
    assert content[mark + 11] == 0
    content[mark + 11] = 2
    y, cb, cr = (part.astype(np.float64) for part in (luma, blue - 128.0, red - 128.0))
    inks = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1).clip(0, 255)
    return bytes(content), 255 * (1 - inks / 255) * (1 - black[..., None] / 255)


def kinds() -> dict[str, tuple[bytes, NDArray[np.float64], float]]:
    """File, expected pixels `[H, W, 3]`, and the mean error in levels that is allowed."""
    inks, inked = cmyk()
    bits = GREY > 127
    first_clear = np.where(GREY[0, 0] == GREY, 0, 255).astype(np.uint8)
    by_entry = np.arange(256, dtype=np.uint8)
    shares = np.linspace(-0.25, 1, 16 * SIDE, dtype=np.float32).reshape(16, SIDE)
    levels = np.linspace(-20, 255, 16 * SIDE, dtype=np.float32).reshape(16, SIDE)
    rgba = np.concatenate([RGB, ALPHA[..., None]], -1)
    lossless = ("PNG", "BMP", "TIFF", "PPM", "WEBP")
    pictures = {f"RGB {kind}": (encode(Image.fromarray(RGB), kind, lossless=True), RGB, 0.0) for kind in lossless}
    return {
        **pictures,
        "RGB JPEG": (encode(Image.fromarray(SMOOTH), "JPEG", quality=95), SMOOTH, 1.5),
        "L": (encode(Image.fromarray(GREY), "PNG"), grey(GREY), 0.0),
        "L transparent": (
            encode(Image.fromarray(GREY), "PNG", transparency=int(GREY[0, 0])),
            over_white(grey(GREY), first_clear),
            0,
        ),
        "L JPEG": (encode(Image.fromarray(SMOOTH[..., 0]), "JPEG", quality=95), grey(SMOOTH[..., 0]), 1.0),
        "1 bit": (encode(Image.fromarray(bits), "PNG"), grey(bits * 255), 0.0),
        "1 bit TIFF": (encode(Image.fromarray(bits), "TIFF"), grey(bits * 255), 0.0),
        "P": (encode(palette_image(), "PNG"), PALETTE[GREY], 0.0),
        "P GIF": (encode(palette_image(), "GIF"), PALETTE[GREY], 0.0),
        "P transparent": (
            encode(palette_image(), "PNG", transparency=bytes(range(256))),
            over_white(PALETTE[GREY], by_entry[GREY]),
            1.0,
        ),
        "P GIF transparent": (
            encode(palette_image(), "GIF", transparency=int(GREY[0, 0])),
            over_white(PALETTE[GREY], first_clear),
            0.0,
        ),
        "RGB transparent": (
            encode(Image.fromarray(SMOOTH), "PNG", transparency=(0, 0, 128)),
            np.where((SMOOTH == (0, 0, 128)).all(-1, keepdims=True), 255, SMOOTH),
            0.0,
        ),
        "RGBA": (encode(Image.fromarray(rgba), "PNG"), over_white(RGB, ALPHA), 1.0),
        "RGBA WebP": (encode(Image.fromarray(rgba), "WEBP", lossless=True, exact=True), over_white(RGB, ALPHA), 1.0),
        "RGBA TIFF": (encode(Image.fromarray(rgba), "TIFF"), over_white(RGB, ALPHA), 1.0),
        "LA": (
            encode(Image.frombytes("LA", (SIDE, 16), np.stack([GREY, ALPHA], -1).tobytes()), "PNG"),
            over_white(grey(GREY), ALPHA),
            1.0,
        ),
        "CMYK TIFF": (encode(Image.frombytes("CMYK", (SIDE, 16), inks.tobytes()), "TIFF"), inked, 12.0),
        "CMYK JPEG": (encode(Image.frombytes("CMYK", (SIDE, 16), inks.tobytes()), "JPEG", quality=95), inked, 12.0),
        "YCCK JPEG": (*ycck(), 12.0),
        "16-bit grey": (encode(Image.fromarray(DEEP), "PNG"), grey(DEEP / 257), 0.5),
        "16-bit grey TIFF": (encode(Image.fromarray(DEEP), "TIFF"), grey(DEEP / 257), 0.5),
        "16-bit grey PGM": (b"P5 24 16 65535\n" + DEEP.astype(">u2").tobytes(), grey(DEEP / 257), 0.5),
        "float to 1": (encode(Image.fromarray(shares), "TIFF"), grey(shares.clip(0) * 255), 0.5),
        "float to 255": (encode(Image.fromarray(levels), "TIFF"), grey(levels.clip(0)), 0.5),
    }


KINDS = kinds()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_that_the_format_defines(kind: str) -> None:
    content, expected, allowed = KINDS[kind]
    image = open_picture(content)
    assert image.mode == "RGB"
    found = np.asarray(image).astype(np.float64)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= allowed


def test_16_bit_grey_keeps_its_transparent_level() -> None:
    content = encode(Image.fromarray(DEEP), "PNG", transparency=int(DEEP[0, 0]))
    found = np.asarray(open_picture(content))
    assert found[DEEP[0, 0] == DEEP].tolist() == [[255, 255, 255]] * int((DEEP[0, 0] == DEEP).sum())


def stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The rows as a camera stores them, by EXIF's definition of where row 0 and column 0 belong."""
    row_0, column_0 = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    turned = upright[::-1] if "bottom" in (row_0, column_0) else upright
    turned = turned[:, ::-1] if "right" in (row_0, column_0) else turned
    return turned if row_0 in ("top", "bottom") else turned.transpose(1, 0, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_jpeg_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(stored(SMOOTH, orientation)), "JPEG", quality=95, exif=exif)
    found = np.asarray(open_picture(content)).astype(np.float64)
    assert found.shape == SMOOTH.shape
    assert np.abs(found - SMOOTH).mean() <= 1.5


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(stored(RGB, orientation)), format, exif=exif, lossless=True)
    np.testing.assert_array_equal(np.asarray(open_picture(content)), RGB)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's
def test_an_unreadable_exif_block_does_not_spoil_a_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description of some length"
    sound = encode(Image.fromarray(SMOOTH), "JPEG", quality=95, exif=exif)
    start = sound.index(b"Exif\0\0") + 6
    for garbage in (b"\xff" * 20, b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 5, b"II*\0" + b"\xff" * 16):
        content = sound[:start] + garbage + sound[start + len(garbage) :]
        assert sorted(open_picture(content).size) == sorted((SIDE, 16))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation_and_first_page(format: str) -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    content = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=40, lossless=True)
    assert np.asarray(open_picture(content)).tolist() == [[[255, 0, 0]] * 5] * 4


def pages(*levels: int) -> bytes:
    """A TIFF of pages of 3 × 2 grey pixels, each of one level, written by hand after TIFF 6.0."""
    content = b"II*\0" + struct.pack("<I", 8)
    for number, level in enumerate(levels):
        start = len(content)
        after = start + 2 + 8 * 12 + 4
        tags = ((256, 3), (257, 2), (258, 8), (259, 1), (262, 1), (273, after), (278, 2), (279, 6))
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        follows = after + 6 if number < len(levels) - 1 else 0
        content += struct.pack("<H", len(tags)) + entries + struct.pack("<I", follows) + bytes([level] * 6)
    return content


def test_first_page_of_a_tiff_written_by_hand() -> None:
    assert np.asarray(open_picture(pages(70, 140, 210))).tolist() == [[[70] * 3] * 3] * 2


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(RGB).save(path, "PNG")
    np.testing.assert_array_equal(np.asarray(open_picture(path)), RGB)
    np.testing.assert_array_equal(np.asarray(open_picture(str(path))), RGB)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"I am a letter.", "is not a picture"),
        (b"\0" * 1000, "is not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG"),
        (b'<?xml version="1.0"?><svg/>', "is SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC"),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", "is HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "is HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "is AVIF"),
        (b"%PDF-1.7\n", "is PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is EPS"),
        (encode(Image.fromarray(RGB), "JPEG")[:-300], "is cut short"),
        (encode(Image.fromarray(RGB), "PNG")[:-300], "is cut short"),
        (encode(Image.fromarray(RGB), "BMP")[:-300], "is cut short"),
        (encode(Image.fromarray(RGB), "PPM")[:-300], "is cut short"),
        (encode(palette_image(), "GIF")[:-100], "is cut short"),
    ],
)
def test_a_refusal_says_why_and_which(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    for source, name in ((path, None), (content, str(path))):
        with pytest.raises(PictureError) as caught:
            open_picture(source, name)
        assert caught.value.reason.startswith(reason)
        assert str(path) in caught.value.message
        assert caught.value.exit_code == 3


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.png"):
        with pytest.raises(PictureError, match="cannot be read"):
            open_picture(path)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")  # Pillow's
@pytest.mark.parametrize(
    ("format", "tail"),
    [("JPEG", 2), ("PNG", 20), ("WEBP", 0), ("BMP", 0), ("TIFF", 0), ("GIF", 2), ("PPM", 0)],
)
def test_every_cut_of_a_picture_is_refused(format: str, tail: int) -> None:
    """`tail`: the bytes of end marks and digests after the last pixel, without which a picture is whole."""
    whole = encode(Image.fromarray(RGB[:8, :8]), format)
    reasons = set()
    for length in range(len(whole) - tail):
        with pytest.raises(PictureError) as caught:
            open_picture(whole[:length])
        reasons.add(caught.value.reason)
    assert "is empty" in reasons
    assert format == "WEBP" or "is cut short" in reasons


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damage that it can live with
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_changed_bytes_give_a_picture_or_a_refusal(format: str) -> None:
    luck = random.Random(format)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "text", 0x011A: 72.5})
    whole = encode(Image.fromarray(RGB), format, exif=exif)
    num_refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(luck.randint(1, 6)):
            content[luck.randrange(luck.choice([64, 200, len(content)]))] = luck.randrange(256)
        try:
            open_picture(bytes(content))
        except PictureError:
            num_refused += 1
    assert num_refused > 5


def png(width: int, height: int) -> bytes:
    """A sound black-and-white PNG, written by hand."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(10_000, 6_000), (60_000_000, 1), (20_000, 10_000)])
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int) -> None:
    assert open_picture(png(30, 20)).size == (30, 20)
    content = png(width, height)
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(PictureError, match="50 million"):
        open_picture(content, "big.png")
    assert time.perf_counter() - start < 0.2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 40_000  # kilobytes


@pytest.mark.parametrize("mode", ["short-side", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(1, 65_000), (65_000, 1), (3, 40_000)])
def test_a_long_thin_picture_costs_no_more_than_others(width: int, height: int, mode: str) -> None:
    image = Image.new("RGB", (width, height), (10, 20, 30))
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    square = fit(image, 256, mode)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 60_000  # kilobytes
    assert square.size == (256, 256)
    assert set(square.get_flattened_data()) == {(10, 20, 30)}


@pytest.mark.parametrize(("width", "height"), [(1, 65_000), (65_000, 1)])
def test_a_long_thin_file_costs_no_more_than_others(width: int, height: int) -> None:
    spec = PictureSpec(channels=3, size=227, resize=256, fit="short-side", scale=1.0, mean=(0,) * 3, std=(1,) * 3)
    content = png(width, height)
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = read_pixels(content, spec)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 60_000  # kilobytes
    assert found.shape == (3, 256, 256)
    assert not found.any()


def test_hidden_colour_does_not_leak() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (0, 255, 0, 255)
    pixels[:, 32:] = (255, 0, 0, 0)
    spec = PictureSpec(channels=3, size=16, resize=16, fit="short-side", scale=1.0, mean=(0,) * 3, std=(1,) * 3)
    found = read_pixels(encode(Image.fromarray(pixels), "PNG"), spec)
    assert found.shape == (3, 16, 16)
    assert (found[:, :, 9:] == 255).all()
    assert (found[1] == 255).all()
    assert (found[0, :, :7] == 0).all()


def wave(width: int, height: int) -> Image.Image:
    """Broad waves, as photographs have."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rows = [127 + 100 * np.sin(x / 37 + shift) * np.cos(y / 29 - shift) for shift in (0.0, 1.0, 2.0)]
    return Image.fromarray(np.rint(np.stack(rows, -1)).astype(np.uint8))


@pytest.mark.parametrize(("width", "height", "size"), [(500, 300, 60), (640, 480, 96), (300, 400, 150), (120, 90, 180)])
def test_short_side_equals_resizing_then_cropping(width: int, height: int, size: int) -> None:
    image = wave(width, height)
    scale = size / min(width, height)
    whole = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BILINEAR)
    left, top = (whole.width - size) // 2, (whole.height - size) // 2
    expected = np.asarray(whole.crop((left, top, left + size, top + size))).astype(int)
    found = np.asarray(fit(image, size, "short-side")).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(("mode", "width"), [("stretch", 240), ("short-side", 120), ("short-side", 200)])
def test_a_ramp_stays_a_ramp(mode: str, width: int) -> None:
    image = Image.fromarray(np.broadcast_to(np.arange(width, dtype=np.uint8), (120, width)).copy())
    found = np.asarray(fit(image, 30, mode)).astype(float)
    part = width if mode == "stretch" else 120
    expected = (np.arange(30) + 0.5) * part / 30 - 0.5 + (width - part) / 2
    assert np.abs(found - expected)[:, 1:-1].max() <= 0.5
    assert np.abs(found - expected).max() <= 2  # the filter is cut at the border


@pytest.mark.parametrize("mode", ["short-side", "stretch"])
def test_small_squares_stay_as_they_are(mode: str) -> None:
    image = Image.fromarray(RGB[:16, :16])
    np.testing.assert_array_equal(to_pixels(fit(image, 16, mode)), RGB[:16, :16].transpose(2, 0, 1))
    np.testing.assert_array_equal(to_pixels(fit(image, 256, mode)), RGB[:16, :16].transpose(2, 0, 1))
    assert fit(Image.fromarray(RGB), 256, mode).size == (256, 256)


def test_to_pixels_of_grey() -> None:
    np.testing.assert_array_equal(to_pixels(Image.fromarray(GREY)), GREY[None])


def landscape(width: int, height: int) -> Image.Image:
    """A picture whose spectrum falls with the frequency, and whose colours go together, as photographs' do."""
    luck = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    planes = []
    for _ in range(3):
        noise = luck.normal(size=frequency.shape) + 1j * luck.normal(size=frequency.shape)
        plane = np.fft.irfft2(noise / frequency, s=(height, width))
        planes.append(55 * plane / plane.std())
    colours = 128 + np.stack(planes, -1) @ np.array([[0.9, 0.9, 0.9], [0.2, 0.0, -0.2], [0.1, -0.1, 0.1]])
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(1200, 900), (480, 1000), (2000, 450), (1203, 907)])
@pytest.mark.parametrize("mode", ["short-side", "stretch"])
def test_a_large_jpeg_at_reduced_scale_is_nearly_the_whole_one(width: int, height: int, mode: str) -> None:
    file = io.BytesIO()
    landscape(width, height).save(file, "JPEG", quality=90)
    content = file.getvalue()
    size = 100
    found = np.asarray(open_fitted(content, None, size, mode)).astype(int)
    whole = np.asarray(fit(open_picture(content), size, mode)).astype(int)
    difference = np.abs(found - whole)
    assert 0 < difference.max() <= 6, "it is another way to nearly the same"
    assert difference.mean() < 0.9


def test_reduced_scale_refuses_what_the_whole_one_refuses() -> None:
    file = io.BytesIO()
    landscape(800, 800).save(file, "JPEG", quality=90)
    content = file.getvalue()
    for length in (len(content) // 3, len(content) - 200):
        with pytest.raises(PictureError, match="cut short"):
            open_fitted(content[:length], None, 64, "stretch")


def test_a_small_jpeg_comes_whole() -> None:
    file = io.BytesIO()
    landscape(199, 300).save(file, "JPEG", quality=90)
    whole = fit(open_picture(file.getvalue()), 100, "stretch")
    np.testing.assert_array_equal(np.asarray(open_fitted(file.getvalue(), None, 100, "stretch")), np.asarray(whole))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["short-side", "stretch"])
def test_a_large_turned_jpeg_at_reduced_scale(orientation: int, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    landscape(803, 645).save(file, "JPEG", quality=90, exif=exif)
    found = np.asarray(open_fitted(file.getvalue(), None, 100, mode)).astype(int)
    whole = np.asarray(fit(open_picture(file.getvalue()), 100, mode)).astype(int)
    assert np.abs(found - whole).max() <= 8
    assert np.abs(found - whole).mean() < 1.2
