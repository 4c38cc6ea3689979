"""What Pillow and the reference make of picture files, sizes and pixels."""

import io
import random
import struct
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin
from tokenizers import Tokenizer, models
from transformers import LlavaNextProcessor, PreTrainedTokenizerFast
from transformers.image_processing_utils import select_best_resolution
from transformers.image_transforms import normalize, rescale
from transformers.image_utils import ChannelDimension, load_image
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from .checkpoint import CLIP_MEAN, CLIP_STD
from .files import write_array, write_json
from .pictures import draw
from .qwen2_vl import video

W, H = 37, 23


# ---- PNG by hand, for what Pillow does not write ----------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, depth, colour, rows: bytes, interlace=0, extra=b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(
        b"IEND", b""
    )


def _rows(array: np.ndarray) -> bytes:
    """Unfiltered rows; 16-bit samples big-endian."""
    array = array.astype(">u2") if array.dtype == np.uint16 else array
    return b"".join(b"\0" + row.tobytes() for row in array)


def _adam7(array: np.ndarray) -> bytes:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    return b"".join(_rows(array[y::dy, x::dx]) for y, x, dy, dx in passes if array[y::dy, x::dx].size)


def _sixteen(channels: int, top: int, seed: int) -> np.ndarray:
    shape = (H, W) if channels == 1 else (H, W, channels)
    return np.random.default_rng(seed).integers(0, top, size=shape).astype(np.uint16)


# ---- Files of many formats ---------------------------------------------------------------------------------------


def _sources(folder: Path) -> list:
    """(file, is lossless, about)"""
    rgb = draw(W, H, 100)
    smooth = draw(W, H, 101, noise=3)
    grey = draw(W, H, 102).convert("L")
    alpha = np.random.default_rng(103).integers(0, 256, size=(H, W)).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([np.asarray(rgb), alpha]), "RGBA")
    grey_alpha = Image.fromarray(np.dstack([np.asarray(grey), alpha]), "LA")
    palette = rgb.quantize(16, dither=Image.Dither.NONE)
    made = []

    def save(name, picture, about, lossless=True, **options):
        picture.save(folder / name, **options)
        made.append((name, lossless, about))

    def raw(name, data, about):
        (folder / name).write_bytes(data)
        made.append((name, True, about))

    save("png-rgb.png", rgb, "8-bit RGB")
    save("png-palette.png", palette, "palette of 16")
    save("png-palette-transparent.png", palette, "palette, one entry transparent: its colour stays", transparency=3)
    save(
        "png-palette-alphas.png",
        palette,
        "palette with an alpha for every entry: dropped",
        transparency=bytes(range(0, 256, 16)),
    )
    save("png-palette-2bit.png", rgb.quantize(4, dither=Image.Dither.NONE), "palette of 4, 2 bits a pixel", bits=2)
    save("png-grey.png", grey, "8-bit grey")
    save("png-grey-alpha.png", grey_alpha, "grey with alpha, which is dropped")
    save("png-rgba.png", rgba, "RGBA: alpha is dropped, not blended")
    save("png-rgb-key.png", rgb, "RGB with a transparent colour key", transparency=rgb.getpixel((0, 0)))
    save("png-1bit.png", grey.convert("1", dither=Image.Dither.NONE), "1 bit a pixel")
    four = np.asarray(grey) >> 4
    packed = np.zeros((H, (W + 1) // 2), dtype=np.uint8)
    packed |= four[:, 0::2] << 4
    packed[:, : W // 2] |= four[:, 1::2]
    raw("png-grey-4bit.png", _png(W, H, 4, 0, _rows(packed)), "4-bit grey, scaled by 17")
    raw("png-grey-16bit.png", _png(W, H, 16, 0, _rows(_sixteen(1, 512, 1))), "16-bit grey, values to 511: clipped at 255")
    raw("png-grey-16bit-full.png", _png(W, H, 16, 0, _rows(_sixteen(1, 65536, 2))), "16-bit grey, the whole range: clipped")
    raw("png-rgb-16bit.png", _png(W, H, 16, 2, _rows(_sixteen(3, 65536, 3))), "16-bit RGB")
    raw("png-rgba-16bit.png", _png(W, H, 16, 6, _rows(_sixteen(4, 65536, 4))), "16-bit RGBA")
    raw("png-grey-alpha-16bit.png", _png(W, H, 16, 4, _rows(_sixteen(2, 65536, 5))), "16-bit grey with alpha")
    raw("png-interlaced.png", _png(W, H, 8, 2, _adam7(np.asarray(rgb)), interlace=1), "Adam7")
    raw(
        "png-gamma.png",
        _png(W, H, 8, 2, _rows(np.asarray(rgb)), extra=_chunk(b"gAMA", struct.pack(">I", 100000))),
        "a gAMA chunk of 1.0, which is ignored",
    )
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a text chunk", zip=True)
    save("png-text.png", rgb, "a compressed text chunk", pnginfo=text)

    save("jpeg-420.jpg", smooth, "baseline, chroma halved both ways", False, quality=90, subsampling="4:2:0")
    save("jpeg-422.jpg", smooth, "baseline, chroma halved across", False, quality=90, subsampling="4:2:2")
    save("jpeg-444.jpg", smooth, "baseline, full chroma", False, quality=90, subsampling="4:4:4")
    save("jpeg-progressive.jpg", smooth, "progressive", False, quality=85, progressive=True)
    save("jpeg-low.jpg", smooth, "quality 20", False, quality=20)
    save("jpeg-grey.jpg", grey, "one component", False, quality=90)
    save("jpeg-cmyk.jpg", smooth.convert("CMYK"), "CMYK, Adobe's inverted convention", False, quality=95)
    save("jpeg-rgb.jpg", smooth, "components stored as RGB (Adobe transform 0)", False, quality=95, keep_rgb=True)
    save("jpeg-restart.jpg", smooth, "restart markers", False, quality=90, restart_marker_blocks=2)
    for orientation in [*range(1, 9), 0, 9]:
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(
            f"jpeg-exif-{orientation}.jpg",
            smooth,
            f"EXIF orientation {orientation}" + ("" if 1 <= orientation <= 8 else ", which means nothing"),
            False,
            quality=90,
            subsampling="4:4:4",
            exif=exif,
        )
    exif = Image.Exif()
    exif[0x0112] = 6
    save("png-exif-6.png", rgb, "EXIF orientation 6 in a PNG: applied", exif=exif)
    save("webp-exif-8.webp", rgb, "EXIF orientation in a WebP: applied", lossless=True, exif=_exif(8))

    save("webp-lossy.webp", smooth, "lossy", False, quality=80, method=4)
    picture = folder / "webp-lossless.webp"
    rgb.save(picture, lossless=True, method=4)
    made.append((picture.name, True, "lossless"))
    picture = folder / "webp-lossless-alpha.webp"
    rgba.save(picture, lossless=True, exact=True, method=4)
    made.append((picture.name, True, "lossless with alpha, which is dropped"))
    save("webp-lossy-alpha.webp", rgba, "lossy with alpha", False, quality=80, method=4)
    frames = [draw(W, H, 110 + i) for i in range(3)]
    picture = folder / "webp-frames.webp"
    frames[0].save(picture, save_all=True, append_images=frames[1:], lossless=True, duration=100)
    made.append((picture.name, True, "three frames: the first counts"))

    save("tiff-rgb.tiff", rgb, "uncompressed")
    save("tiff-lzw.tiff", rgb, "LZW", compression="tiff_lzw")
    save("tiff-deflate.tiff", rgb, "deflate", compression="tiff_adobe_deflate")
    save("tiff-packbits.tiff", rgb, "PackBits", compression="packbits")
    save("tiff-grey.tiff", grey, "grey")
    save("tiff-rgba.tiff", rgba, "RGBA")
    save("tiff-cmyk.tiff", smooth.convert("CMYK"), "CMYK")
    save("tiff-palette.tiff", palette, "palette")
    save("tiff-1bit-g4.tiff", grey.convert("1", dither=Image.Dither.NONE), "fax group 4", compression="group4")
    save("tiff-16bit.tiff", Image.fromarray(_sixteen(1, 512, 6)), "16-bit grey: clipped")
    picture = folder / "tiff-pages.tiff"
    frames[0].save(picture, save_all=True, append_images=frames[1:])
    made.append((picture.name, True, "three pages: the first counts"))
    save("tiff-orientation-6.tiff", rgb, "the Orientation tag: applied", tiffinfo={274: 6})

    save("gif-one.gif", palette, "one frame")
    quantised = [f.quantize(32, dither=Image.Dither.NONE) for f in frames]
    picture = folder / "gif-frames.gif"
    quantised[0].save(picture, save_all=True, append_images=quantised[1:], duration=100)
    made.append((picture.name, True, "three frames: the first counts"))
    save("gif-transparent.gif", palette, "one entry transparent: its colour stays", transparency=2)
    save("gif-interlaced.gif", palette, "interlaced", interlace=1)

    save("bmp-rgb.bmp", rgb, "24 bits")
    save("bmp-palette.bmp", palette, "palette")
    save("bmp-1bit.bmp", grey.convert("1", dither=Image.Dither.NONE), "1 bit")
    raw("bmp-runs.bmp", _bmp_runs(), "run-length encoded")
    raw("bmp-alpha.bmp", _bmp_alpha(rgba), "32 bits with a mask for alpha")
    save("tiff-16bit-full.tiff", Image.fromarray(_sixteen(1, 65536, 8)), "16-bit grey of the whole range: clipped")
    picture = folder / "gif-small-frame.gif"
    gif = bytearray((folder / "gif-transparent.gif").read_bytes())
    struct.pack_into("<HH", gif, 6, W + 6, H + 4)
    raw(picture.name, bytes(gif), "a frame that is smaller than its canvas")
    raw("jpeg-no-end.jpg", _without_end(smooth), "without its last two bytes")
    grey_key = _png(W, H, 8, 0, _rows(np.asarray(grey)), extra=_chunk(b"tRNS", struct.pack(">H", int(np.asarray(grey)[3, 3]))))
    raw("png-grey-key.png", grey_key, "grey with a transparent value")
    return made


def _bmp(width, height, bits, compression, header_size, extra, data: bytes) -> bytes:
    offset = 14 + header_size + len(extra)
    header = struct.pack("<IiiHHIIiiII", header_size, width, height, 1, bits, compression, len(data), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + extra + data


def _bmp_runs() -> bytes:
    """Run-length encoded, with runs, literals of odd length and a jump."""
    colours = b"".join(bytes((40 * i % 256, 90 * i % 256, 7 * i % 256, 0)) for i in range(256))
    rows = b"".join(
        bytes((20, y, 0, 5, 1, 2, 3, 4, y, 0, 12, 9 * y)) + b"\0\0" for y in range(H - 2)
    )
    return _bmp(W, H, 8, 1, 40, colours, rows + b"\0\2\5\1" + bytes((9, 200, W - 14, 7)) + b"\0\1")


def _bmp_alpha(rgba: Image.Image) -> bytes:
    """A version 4 header with a mask for alpha, rows from the top."""
    array = np.asarray(rgba)[:, :, [2, 1, 0, 3]]
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"\0" * 52
    data = _bmp(W, -H, 32, 3, 108, masks, array.tobytes())
    return data[:10] + struct.pack("<I", 122) + data[14:]


def _without_end(picture: Image.Image) -> bytes:
    """Ends with its picture's data, at a place where libjpeg asks for no byte more."""
    for quality in range(95, 30, -1):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        data = buffer.getvalue()[:-2]
        try:
            Image.open(io.BytesIO(data)).load()
            return data
        except OSError:
            continue
    raise SystemExit("libjpeg asks for the end at every quality")


def _viewer(path: Path) -> np.ndarray:
    """What a person sees: transparency over white (vLLM's rgba_to_rgb), 16-bit grey scaled to 8 bits."""
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I;16") or picture.mode == "I":
            return np.repeat((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
        if picture.has_transparency_data:
            rgba = picture.convert("RGBA")
            paper = Image.new("RGB", rgba.size, (255, 255, 255))
            paper.paste(rgba, mask=rgba.getchannel("A"))
            return np.asarray(paper)
        return np.asarray(picture.convert("RGB"))


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _progressive_without_end(sources: Path) -> bytes:
    data = (sources / "jpeg-progressive.jpg").read_bytes()
    return data[: data.rindex(b"\xff\xda")]


def write_decode(folder: Path) -> int:
    sources = folder / "sources"
    sources.mkdir(parents=True)
    rows = []
    for name, lossless, about in _sources(sources):
        with Image.open(sources / name) as opened:
            mode, stored = opened.mode, opened.size
        array = np.asarray(load_image(str(sources / name)))
        expected = "expected/" + name.replace(".", "-") + ".npy"
        write_array(folder / expected, array)
        seen = _viewer(sources / name)
        viewer = expected
        if not np.array_equal(seen, array):
            viewer = "expected/" + name.replace(".", "-") + "-viewer.npy"
            write_array(folder / viewer, seen)
        rows.append(
            {
                "file": "sources/" + name,
                "expected": expected,
                "viewer": viewer,
                "about": about,
                "lossless": lossless,
                "pillow_mode": mode,
                "stored_width": stored[0],
                "stored_height": stored[1],
                "width": array.shape[1],
                "height": array.shape[0],
            }
        )
    png = (sources / "png-rgb.png").read_bytes()
    jpeg = (sources / "jpeg-444.jpg").read_bytes()
    broken = {
        "broken-half.png": (png[: len(png) // 2], "cut off half-way"),
        "broken-half.jpg": (jpeg[: len(jpeg) // 2], "cut off half-way"),
        "broken-last-scan.jpg": (_progressive_without_end(sources), "a progressive picture without its last scans and end"),
        "broken-middle.jpg": (jpeg[: len(jpeg) // 2] + b"\xff\xd9"[:1], "cut off half-way, with half a marker"),
        "broken-text.png": (b"this is no picture at all\n", "text"),
        "broken-empty.png": (b"", "nothing"),
        "broken-header.png": (png[:20], "cut off in the header"),
    }
    errors = []
    for name, (data, about) in broken.items():
        (sources / name).write_bytes(data)
        try:
            load_image(str(sources / name))
            raise SystemExit(f"the reference reads {name}")
        except (OSError, SyntaxError, ValueError) as error:
            errors.append({"file": "sources/" + name, "about": about, "reference_error": type(error).__name__})
    write_json(folder / "decode.json", {"pictures": rows, "errors": errors})
    return len(rows) + len(errors)


# ---- Resizing ------------------------------------------------------------------------------------------------------


def write_resize(folder: Path) -> int:
    checker = np.zeros((40, 52, 3), dtype=np.uint8)
    checker[(np.add.outer(np.arange(40), np.arange(52)) // 3) % 2 == 0] = (255, 0, 255)
    noise = np.random.default_rng(200).integers(0, 256, size=(31, 47, 3)).astype(np.uint8)
    inputs = {
        "photo-61x37": np.asarray(draw(61, 37, 201)),
        "noise-47x31": noise,
        "checker-52x40": checker,
        "dot-1x1": np.asarray(draw(1, 1, 202)),
        "row-50x1": np.asarray(draw(50, 1, 203)),
        "column-1x50": np.asarray(draw(1, 50, 204)),
        "two-2x2": np.array([[[0, 255, 10], [255, 0, 20]], [[255, 255, 30], [0, 0, 250]]], dtype=np.uint8),
        "large-256x192": np.asarray(draw(256, 192, 205, noise=3)),
    }
    sizes = {  # width, height
        "photo-61x37": [(56, 28), (84, 56), (61, 37), (61, 56), (56, 37), (112, 84), (28, 28), (5, 3), (1, 1), (62, 38)],
        "noise-47x31": [(56, 28), (28, 28), (48, 32), (46, 30), (94, 62), (13, 57), (100, 7), (47, 10), (20, 31)],
        "checker-52x40": [(56, 28), (84, 56), (26, 20), (17, 13), (53, 41), (104, 40)],
        "dot-1x1": [(56, 56), (28, 28)],
        "row-50x1": [(196, 28), (28, 28)],
        "column-1x50": [(28, 196), (7, 9)],
        "two-2x2": [(28, 28), (5, 3), (1, 1)],
        "large-256x192": [(112, 84), (84, 112), (28, 28), (56, 140), (255, 191), (14, 14)],
    }
    rows = []
    for name, array in inputs.items():
        write_array(folder / "inputs" / f"{name}.npy", array)
        for width, height in sizes[name]:
            out = Image.fromarray(array, "RGB").resize((width, height), resample=Image.Resampling.BICUBIC)
            file = f"expected/{name}-to-{width}x{height}.npy"
            write_array(folder / file, np.asarray(out))
            rows.append({"input": f"inputs/{name}.npy", "width": width, "height": height, "expected": file})
    write_json(folder / "resize.json", {"filter": "bicubic", "cases": rows})
    return len(rows)


def write_smart_resize(path: Path) -> int:
    asked = []
    hub = (28, 3136, 12845056)
    for h in (1, 13, 14, 15, 27, 28, 29, 41, 42, 43, 69, 70, 71, 97, 98, 99, 125, 126, 154, 182, 210, 238):
        asked.append((h, 70, *hub))
        asked.append((h, 98, 28, 784, 12845056))
        asked.append((h, h, 28, 1, 12845056))
    for h, w in (
        [(224, 224), (448, 448), (448, 280), (280, 448), (1080, 1920), (4000, 3000), (12000, 9000), (1, 1), (1, 200)]
        + [(200, 1), (1, 201), (201, 1), (3, 600), (3, 601), (10, 2000), (10, 2001), (5000, 25), (5001, 25), (37, 61)]
    ):
        for low, high in ((3136, 12845056), (3136, 1003520), (56 * 56, 12544), (200704, 1003520), (784, 784)):
            asked.append((h, w, 28, low, high))
    # Limits that a request may bring: the same number twice, or the lower above the upper one.
    asked += [(100, 100, 28, 12544, 12544), (100, 100, 28, 20000, 10000), (300, 20, 28, 20000, 10000), (30, 500, 28, 3136, 784)]
    rng = random.Random(7)
    for _ in range(300):
        factor = rng.choice([28, 28, 28, 16, 32, 56])
        h, w = int(2 ** rng.uniform(0, 12)), int(2 ** rng.uniform(0, 12))
        low = factor * factor * int(2 ** rng.uniform(0, 7))
        high = low * int(2 ** rng.uniform(0, 8))
        asked.append((h, w, factor, low, high))
    results, errors = [], []
    for h, w, factor, low, high in asked:
        try:
            results.append([h, w, factor, low, high, *smart_resize(h, w, factor, low, high)])
        except ValueError as error:
            errors.append({"height": h, "width": w, "factor": factor, "min_pixels": low, "max_pixels": high,
                           "message": str(error)})
    write_json(
        path,
        {
            "columns": ["height", "width", "factor", "min_pixels", "max_pixels", "resized_height", "resized_width"],
            "results": results,
            "errors": errors,
        },
    )
    return len(asked)


def write_anyres(path: Path) -> int:
    """Tokens and canvases of pictures that are cut into tiles, for the Hub's pinpoints and others."""
    pinpoints = {
        "hub": (336, 14, [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]),
        "odd": (35, 7, [[35, 70], [70, 35], [70, 70], [105, 35], [35, 105]]),
        "many": (392, 14, [[392 * h, 392 * w] for h in range(1, 4) for w in range(1, 7 - h)]),
    }
    rng = random.Random(9)
    sizes = [(h, w) for h in (1, 2, 35, 100, 335, 336, 337, 480, 672, 1008, 3000) for w in (1, 3, 70, 336, 640, 671, 1009)]
    sizes += [(int(2 ** rng.uniform(0, 12)), int(2 ** rng.uniform(0, 12))) for _ in range(200)]
    tables = []
    for name, (tile, patch, points) in pinpoints.items():
        processor = LlavaNextProcessor(
            image_processor=LlavaNextImageProcessorPil(
                size={"shortest_edge": tile}, crop_size={"height": tile, "width": tile}, image_grid_pinpoints=points
            ),
            tokenizer=_Tokenizer(),
            patch_size=patch,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
        )
        rows = []
        for height, width in sizes:
            tokens = processor._get_num_multimodal_tokens(image_sizes=[[height, width]]).num_image_tokens[0]
            rows.append([height, width, *select_best_resolution((height, width), points), tokens])
        tables.append({"name": name, "tile_size": tile, "patch_size": patch, "pinpoints": points, "results": rows})
    write_json(path, {"columns": ["height", "width", "canvas_height", "canvas_width", "tokens"], "tables": tables})
    return len(sizes) * len(tables)


class _Tokenizer(PreTrainedTokenizerFast):
    """All that the processor asks of a tokenizer when it counts."""

    def __init__(self):
        super().__init__(tokenizer_object=Tokenizer(models.WordLevel({"<image>": 0}, unk_token="<image>")))


def write_sample_frames(path: Path) -> int:
    """Which frames of a video Qwen2-VL's video processor takes, and what it refuses."""
    asked = []
    for total in (1, 2, 3, 4, 5, 7, 24, 49, 50, 97, 250, 251, 1199):
        for frames in (1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 250):
            asked.append((total, 25.0, None, frames, 4, 768))
        for source, fps in ((25.0, 2.0), (30000 / 1001, 2.0), (30.0, 0.5), (10.0, 30.0), (24.0, 1.0)):
            asked.append((total, source, fps, None, 4, 768))
            asked.append((total, source, fps, None, 2, 31))
    rng = random.Random(8)
    for _ in range(300):
        wish = (rng.choice([0.25, 1.0, 2.0, 3.7, 12.0]), None) if rng.random() < 0.5 else (None, rng.randrange(2, 99))
        rate = rng.choice([8.0, 23.976, 25.0, 29.97, 60.0])
        asked.append((rng.randrange(1, 3000), rate, *wish, rng.choice([2, 4, 8]), rng.choice([8, 32, 33, 768])))
    processor = video.VideoProcessor()
    results, errors = [], []
    for total, source, fps, frames, low, high in asked:
        metadata = SimpleNamespace(total_num_frames=total, fps=source)
        limits = {"min_frames": low, "max_frames": high}
        request = {"total": total, "source_fps": source, "fps": fps, "num_frames": frames, **limits}
        try:
            indices = processor.sample_frames(metadata, fps=fps, num_frames=frames, **limits).tolist()
            results.append(request | {"indices": indices})
        except (ValueError, ZeroDivisionError) as error:
            errors.append(request | {"error": type(error).__name__})
    write_json(path, {"results": results, "errors": errors})
    return len(asked)


def write_normalize(folder: Path) -> int:
    """Every 8-bit value in every channel, as the reference scales and normalises it: [256, 3] float32."""
    values = np.repeat(np.arange(256, dtype=np.uint8)[None, None, :], 3, axis=0)  # [3, 1, 256]
    settings = {
        "clip": (1 / 255, CLIP_MEAN, CLIP_STD),
        "half": (1 / 255, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        "imagenet-rounded-factor": (0.00392156862745098, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    }
    rows = []
    for name, (factor, mean, std) in settings.items():
        scaled = rescale(values, factor, data_format=ChannelDimension.FIRST, input_data_format=ChannelDimension.FIRST)
        ready = normalize(scaled, mean, std, ChannelDimension.FIRST, ChannelDimension.FIRST)
        assert ready.dtype == np.float32
        write_array(folder / f"{name}.npy", ready[:, 0, :].T)
        rows.append({"name": name, "rescale_factor": factor, "image_mean": mean, "image_std": std, "expected": f"{name}.npy"})
    write_json(folder / "normalize.json", {"cases": rows})
    return len(rows)


def write(folder: Path, log=print):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log(f"  {write_decode(folder / 'decode')} picture files")
        log(f"  {write_resize(folder / 'resize')} resized arrays")
        log(f"  {write_smart_resize(folder / 'smart_resize.json')} sizes")
        log(f"  {write_anyres(folder / 'anyres.json')} sizes in tiles")
        log(f"  {write_sample_frames(folder / 'sample_frames.json')} wishes for frames")
        log(f"  {write_normalize(folder / 'normalize')} normalisations")
