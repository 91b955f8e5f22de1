#!/usr/bin/env python3
"""Draws the demo's footage: flat landscapes as SVG, by hand-set shapes and a seeded generator.

`art.py FOLDER` writes one SVG a picture and the frames of one clip into a folder. The files beside this program
were made from them with

    ffmpeg -i lighthouse_night.svg -quality 78 lighthouse_night.webp
    ffmpeg -framerate 25 -i waves_%03d.svg -c:v libx264 -preset veryslow -crf 27 -pix_fmt yuv420p ocean_waves.mp4

The pictures are square, so that an upright and a wide video both find enough to show. Needs nothing but Python.
"""

import math
import pathlib
import random
import sys

SIZE = 1600


def gradient(name, *stops, radial=False):
    kind = "radialGradient" if radial else "linearGradient"
    way = 'cx="50%" cy="50%" r="50%"' if radial else 'x1="0" y1="0" x2="0" y2="1"'
    marks = "".join(
        f'<stop offset="{at}" stop-color="{colour}" stop-opacity="{opacity}"/>' for at, colour, opacity in stops
    )
    return f'<{kind} id="{name}" {way}>{marks}</{kind}>'


def sky(*stops):
    return gradient("sky", *[(at, colour, 1) for at, colour in stops])


def svg(defs, *body, size=SIZE):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {SIZE} {SIZE}">'
        f'<defs>{"".join(defs)}</defs>' + "".join(body) + "</svg>"
    )


def background():
    return f'<rect width="{SIZE}" height="{SIZE}" fill="url(#sky)"/>'


def ridge(y, height, waves, colour, seed, opacity=1.0):
    """A range of hills: a few sines with seeded phases."""
    chance = random.Random(seed)
    parts = [(chance.uniform(0, math.tau), waves * (1.9 ** n), height / (1.7 ** n)) for n in range(4)]
    points = []
    for x in range(0, SIZE + 1, 20):
        rise = sum(part * math.sin(phase + x / SIZE * math.tau * count) for phase, count, part in parts)
        points.append(f"{x},{y - rise:.0f}")
    return f'<polygon points="0,{SIZE} {" ".join(points)} {SIZE},{SIZE}" fill="{colour}" opacity="{opacity}"/>'


def wave(y, amplitude, length, phase, colour, opacity=1.0):
    """A band of sea whose upper edge is a trochoid, steeper at its crests."""
    points = []
    for x in range(-20, SIZE + 21, 10):
        angle = x / length * math.tau + phase
        crest = math.sin(angle) + 0.25 * math.sin(2 * angle + 0.6)
        points.append(f"{x},{y - amplitude * crest:.1f}")
    return f'<polygon points="-20,{SIZE} {" ".join(points)} {SIZE + 20},{SIZE}" fill="{colour}" opacity="{opacity}"/>'


def sea(y, colours, seed):
    chance = random.Random(seed)
    step = (SIZE - y) / len(colours)
    bands = []
    for n, colour in enumerate(colours):
        bands.append(wave(y + n * step, 5 + 5 * n, 260 + 120 * n, chance.uniform(0, math.tau), colour))
    return "".join(bands)


def stars(count, seed, bottom=900):
    chance = random.Random(seed)
    return "".join(
        f'<circle cx="{chance.uniform(0, SIZE):.0f}" cy="{chance.uniform(0, bottom):.0f}" '
        f'r="{chance.choice([1.5, 2, 2, 3])}" fill="#fff" opacity="{chance.uniform(0.3, 0.95):.2f}"/>'
        for _ in range(count)
    )


def glow(x, y, radius, colour, opacity=0.8):
    name = f"g{x}{y}".replace(".", "")
    fill = gradient(name, (0, colour, opacity), (1, colour, 0), radial=True)
    return fill, f'<circle cx="{x}" cy="{y}" r="{radius}" fill="url(#{name})"/>'


def lighthouse(x, foot, scale, lit="#ffe9a8"):
    """A tower with three red bands, a gallery and a lantern; `x` is its middle, `foot` where it stands."""

    def at(dx, dy):
        return f"{x + dx * scale:.0f},{foot - dy * scale:.0f}"

    def quad(low, high, colour):
        half = lambda h: 62 - 22 * h / 520
        return (
            f'<polygon points="{at(-half(low), low)} {at(half(low), low)} {at(half(high), high)} '
            f'{at(-half(high), high)}" fill="{colour}"/>'
        )

    bands = "".join(quad(n * 87, (n + 1) * 87, "#b8403a" if n % 2 else "#f2ece0") for n in range(6))
    shade = f'<polygon points="{at(10, 0)} {at(62, 0)} {at(40, 522)} {at(8, 522)}" fill="#000" opacity="0.16"/>'
    gallery = f'<polygon points="{at(-58, 520)} {at(58, 520)} {at(58, 540)} {at(-58, 540)}" fill="#2a2f3a"/>'
    lantern = f'<polygon points="{at(-32, 540)} {at(32, 540)} {at(32, 610)} {at(-32, 610)}" fill="{lit}"/>'
    bars = "".join(
        f'<polygon points="{at(dx - 2, 540)} {at(dx + 2, 540)} {at(dx + 2, 610)} {at(dx - 2, 610)}" fill="#2a2f3a"/>'
        for dx in (-30, -10, 10, 30)
    )
    roof = f'<polygon points="{at(-44, 610)} {at(44, 610)} {at(0, 668)}" fill="#8f2f2b"/>'
    door = f'<polygon points="{at(-16, 0)} {at(16, 0)} {at(16, 56)} {at(-16, 56)}" fill="#3a2a26"/>'
    windows = "".join(
        f'<circle cx="{x}" cy="{foot - h * scale:.0f}" r="{9 * scale:.0f}" fill="#3a4660"/>' for h in (170, 300, 420)
    )
    return bands + shade + door + windows + gallery + lantern + bars + roof


def beam(x, y, angle, spread, length, opacity):
    ends = []
    for side in (-spread, spread):
        turn = math.radians(angle + side)
        ends.append(f"{x + length * math.cos(turn):.0f},{y + length * math.sin(turn):.0f}")
    return f'<polygon points="{x},{y} {ends[0]} {ends[1]}" fill="#ffefb0" opacity="{opacity}"/>'


def rock(x, y, width, height, colour, seed):
    chance = random.Random(seed)
    points = [f"{x - 1.5 * width:.0f},{SIZE}"]
    for n in range(9):
        across = -1 + n / 4
        rise = height * (1 - across * across) * chance.uniform(0.85, 1.1)
        points.append(f"{x + across * width:.0f},{y - rise:.0f}")
    return f'<polygon points="{" ".join(points)} {x + 1.5 * width:.0f},{SIZE}" fill="{colour}"/>'


def boat(x, y, scale, hull="#24303f", sail="#efe6d6", tilt=0):
    return (
        f'<g transform="translate({x} {y}) rotate({tilt}) scale({scale})">'
        f'<path d="M-110 0 L110 0 L78 46 L-84 46 Z" fill="{hull}"/>'
        f'<rect x="-6" y="-190" width="9" height="192" fill="#3b3029"/>'
        f'<path d="M8 -184 L96 -18 L8 -18 Z" fill="{sail}"/><path d="M-12 -160 L-76 -18 L-12 -18 Z" fill="{sail}" opacity="0.85"/></g>'
    )


def ship(x, y, scale, tilt):
    windows = "".join(f'<rect x="{-70 + n * 34}" y="-62" width="16" height="14" fill="#ffd98a"/>' for n in range(5))
    return (
        f'<g transform="translate({x} {y}) rotate({tilt}) scale({scale})">'
        '<path d="M-230 -20 L240 -20 L190 70 L-190 70 Z" fill="#1a2230"/><rect x="-230" y="-20" width="470" height="12" fill="#a5433b"/>'
        '<rect x="-96" y="-78" width="190" height="60" fill="#d8d3c8"/><rect x="-50" y="-124" width="100" height="48" fill="#c9c3b6"/>'
        f'<rect x="10" y="-176" width="34" height="56" fill="#a5433b"/>{windows}</g>'
    )


def coast_sunset():
    fill, sun = glow(1080, 800, 420, "#ffd27a", 0.9)
    return svg(
        [sky((0, "#1d2b53"), (0.35, "#7a4a78"), (0.55, "#f0906a"), (1, "#ffd9a0")), fill],
        background(), sun, '<circle cx="1080" cy="800" r="96" fill="#fff0c4"/>',
        ridge(860, 46, 1.3, "#5b4474", 5, 0.75), ridge(930, 60, 1.1, "#3d3562", 9),
        sea(960, ["#c46f66", "#a55a68", "#7e4a6c", "#553c66", "#37305a"], 3),
        rock(250, 1180, 420, 330, "#221f3f", 4), lighthouse(280, 870, 0.62, "#fff3c9"),
    )


def lighthouse_night():
    fill, light = glow(800, 492, 420, "#ffe9a8", 0.75)
    return svg(
        [sky((0, "#060b1f"), (0.5, "#12244a"), (1, "#27406b")), fill],
        background(), stars(190, 11, 1000), beam(800, 492, -14, 7, 1500, 0.34), beam(800, 492, 166, 7, 1500, 0.34), light,
        ridge(1130, 34, 1.6, "#0e1a36", 2), sea(1160, ["#16305a", "#122a50", "#0e2344", "#0a1b37"], 8),
        rock(800, 1330, 460, 270, "#0a1122", 6), lighthouse(800, 1110, 1.0),
    )


def lens_glass():
    rings = "".join(
        f'<ellipse cx="800" cy="800" rx="{r * 0.82:.0f}" ry="{r}" fill="none" stroke="#{c}" stroke-width="{w}" opacity="{o}"/>'
        for r, c, w, o in [
            (700, "2f6f86", 26, 0.55), (610, "3d8ba0", 30, 0.6), (520, "58abb8", 32, 0.65), (430, "7cc6c8", 34, 0.72),
            (340, "a6dfd6", 34, 0.8), (250, "d2f2e2", 32, 0.9),
        ]
    )
    bars = "".join(
        f'<line x1="800" y1="800" x2="{800 + 640 * math.cos(math.radians(a)):.0f}" y2="{800 + 760 * math.sin(math.radians(a)):.0f}" '
        'stroke="#8b6a34" stroke-width="12" opacity="0.8"/>' for a in range(15, 375, 45)
    )
    fill, light = glow(800, 800, 620, "#fff1bd", 0.95)
    return svg(
        [sky((0, "#0b1a26"), (0.5, "#123545"), (1, "#0a1620")), fill],
        background(), bars, rings, light, '<ellipse cx="800" cy="800" rx="92" ry="112" fill="#fffbe6"/>',
        '<rect x="560" y="1490" width="480" height="110" fill="#6d522a"/><rect x="500" y="1460" width="600" height="44" fill="#8b6a34"/>',
    )


def storm_ship():
    chance = random.Random(21)
    rain = "".join(
        f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{x - 26:.0f}" y2="{y + 92:.0f}" stroke="#b9c8d6" stroke-width="3" opacity="0.28"/>'
        for x, y in ((chance.uniform(0, SIZE + 60), chance.uniform(-60, 1250)) for _ in range(150))
    )
    clouds = "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{c}"/>'
        for x, y, rx, ry, c in [
            (240, 170, 460, 170, "#2a3442"), (820, 90, 560, 190, "#242d3a"), (1380, 190, 480, 180, "#2c3746"),
            (560, 260, 420, 110, "#364352"), (1120, 290, 440, 110, "#3a4757"),
        ]
    )
    return svg(
        [sky((0, "#27313f"), (0.6, "#52626f"), (1, "#7a8892"))], background(), clouds,
        '<path d="M1210 250 L1150 470 L1196 462 L1120 700 L1258 420 L1206 430 L1270 250 Z" fill="#f4efc4" opacity="0.9"/>',
        wave(930, 60, 620, 0.4, "#4a6272"), ship(760, 950, 1.05, -9), wave(1040, 78, 740, 2.2, "#37505f"),
        wave(1190, 92, 860, 4.4, "#2a414f"), wave(1370, 100, 1000, 1.1, "#1d313d"), rain,
    )


def harbour_village():
    houses = []
    for n, (x, width, height, wall) in enumerate(
        [(90, 190, 210, "#c96f54"), (300, 160, 270, "#e0b568"), (480, 200, 190, "#6f93a0"), (700, 150, 290, "#d9d2c3"),
         (870, 210, 220, "#b85c4f"), (1100, 170, 260, "#8aa37b"), (1290, 220, 200, "#d49a5b")]
    ):
        top = 980 - height
        windows = "".join(
            f'<rect x="{x + 26 + c * (width - 80)}" y="{top + 40 + r * 74}" width="34" height="42" fill="#ffe2a0"/>'
            for r in range(height // 110) for c in (0, 1)
        )
        houses.append(
            f'<rect x="{x}" y="{top}" width="{width}" height="{height}" fill="{wall}"/>'
            f'<polygon points="{x - 14},{top} {x + width + 14},{top} {x + width // 2},{top - 92}" fill="#3a2f3f"/>{windows}'
        )
    return svg(
        [sky((0, "#33507a"), (0.6, "#8fa8bd"), (1, "#f2cfa4"))], background(), ridge(780, 90, 1.2, "#55708c", 14, 0.8),
        ridge(880, 60, 1.5, "#3f5a70", 17), "".join(houses), f'<rect y="980" width="{SIZE}" height="70" fill="#544a4a"/>',
        sea(1050, ["#5d8296", "#4c7086", "#3b5d74", "#2c4a61"], 13),
        boat(420, 1180, 1.05), boat(1060, 1270, 1.35, "#7a3b34", "#f6efe0"), boat(760, 1120, 0.7, "#2e4a3d"),
    )


def fog_bell():
    banks = "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="#e3e9ea" opacity="{o}"/>'
        for x, y, rx, ry, o in [
            (300, 760, 620, 90, 0.5), (1250, 700, 680, 110, 0.45), (820, 930, 900, 100, 0.55), (200, 1120, 700, 110, 0.5),
            (1400, 1180, 720, 130, 0.55), (760, 1380, 1000, 130, 0.5),
        ]
    )
    fill, light = glow(1010, 640, 330, "#fff4cf", 0.85)
    return svg(
        [sky((0, "#8b9aa3"), (0.6, "#b9c3c6"), (1, "#d7dcd9")), fill], background(), ridge(940, 60, 1.2, "#9aa8ad", 31, 0.7),
        sea(1080, ["#9fb0b5", "#8fa2a8", "#7d9299", "#6b8189"], 33), rock(1010, 1250, 330, 190, "#5d6c73", 8),
        lighthouse(1010, 1090, 0.72, "#fff6d6"), light, boat(420, 1240, 1.1, "#4d5a60", "#e9e6da", 3), banks,
    )


def dawn_keeper():
    fill, sun = glow(420, 900, 520, "#fff0c0", 0.95)
    birds = "".join(
        f'<path d="M{x} {y} q{s} -{s} {2 * s} 0 q{s} -{s} {2 * s} 0" fill="none" stroke="#3c4a60" stroke-width="6"/>'
        for x, y, s in [(700, 420, 24), (860, 350, 18), (1010, 470, 22), (560, 520, 15), (1180, 390, 16)]
    )
    cottage = (
        '<rect x="760" y="970" width="220" height="120" fill="#efe7d8"/><polygon points="738,970 1002,970 870,890" fill="#7a4a42"/>'
        '<rect x="800" y="1010" width="36" height="40" fill="#55708c"/><rect x="900" y="1010" width="40" height="80" fill="#6d4a3a"/>'
    )
    return svg(
        [sky((0, "#5f8fc0"), (0.5, "#a9cfe0"), (0.75, "#ffe3bd"), (1, "#ffd0a0")), fill], background(), sun,
        '<circle cx="420" cy="900" r="80" fill="#fff8dc"/>', birds,
        sea(980, ["#86b7c6", "#6ba4b9", "#5190aa", "#3b7b98"], 41), rock(1080, 1240, 620, 190, "#4f7a55", 12),
        cottage, lighthouse(1130, 1080, 0.95, "#fdf6de"),
    )


def waves(part):
    """One frame of the clip; `part` runs from 0 to 1 and the last frame leads to the first."""
    turn = part * math.tau
    fill, moon = glow(1080, 430, 330, "#f4f1d8", 0.6)
    shine = "".join(
        f'<rect x="{1080 - w / 2 + 26 * math.sin(turn + n):.0f}" y="{800 + n * 52}" width="{w:.0f}" height="9" rx="4" '
        f'fill="#f4f1d8" opacity="{0.55 - n * 0.045:.2f}"/>'
        for n, w in enumerate(90 + 34 * n + 22 * math.sin(2 * turn + 1.7 * n) for n in range(11))
    )
    return svg(
        [sky((0, "#0b1533"), (0.45, "#1d3566"), (1, "#3d5f8f")), fill], background(), stars(90, 3, 700), moon,
        '<circle cx="1080" cy="430" r="92" fill="#faf7e6"/>', wave(770, 8, 340, turn, "#21406f"),
        wave(850, 14, 420, 1 - turn, "#1c3866"), wave(950, 20, 533, 2 + turn, "#17305b"), shine,
        wave(1120, 26, 640, 4 - turn, "#122850"), wave(1310, 32, 800, 1 + turn, "#0d1f42"), size=800,
    )


PICTURES = [coast_sunset, lighthouse_night, lens_glass, storm_ship, harbour_village, fog_bell, dawn_keeper]
FRAMES = 150


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        (folder / f"{picture.__name__}.svg").write_text(picture())
    for frame in range(FRAMES):
        (folder / f"waves_{frame:03}.svg").write_text(waves(frame / FRAMES))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
