"""The printed faces: which Debian package carries each, under which licence, and on which side of the split it stands.

Held-out families never appear in training, in any weight.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SEARCH = [Path(p).expanduser() for p in os.environ.get("FONT_DIRS", "/usr/share/fonts:~/.fonts").split(":")]


@dataclass(frozen=True)
class Family:
    name: str
    package: str
    licence: str
    files: tuple[str, ...]


TRAINING = (
    Family("Liberation Sans", "fonts-liberation", "GPL-2 with font exceptions",
           ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf")),
    Family("Liberation Sans Narrow", "fonts-liberation", "GPL-2 with font exceptions",
           ("LiberationSansNarrow-Regular.ttf",)),
    Family("Liberation Serif", "fonts-liberation", "GPL-2 with font exceptions", ("LiberationSerif-Regular.ttf",)),
    Family("Liberation Mono", "fonts-liberation", "GPL-2 with font exceptions", ("LiberationMono-Regular.ttf",)),
    Family("DejaVu Sans", "fonts-dejavu-core", "Bitstream Vera", ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")),
    Family("DejaVu Sans Mono", "fonts-dejavu-core", "Bitstream Vera", ("DejaVuSansMono.ttf",)),
    Family("DejaVu Serif", "fonts-dejavu-core", "Bitstream Vera", ("DejaVuSerif.ttf",)),
    Family("FreeSans", "fonts-freefont-ttf", "GPL-3 with font exception", ("FreeSans.ttf",)),
    Family("FreeSerif", "fonts-freefont-ttf", "GPL-3 with font exception", ("FreeSerif.ttf", "FreeSerifBold.ttf")),
    Family("FreeMono", "fonts-freefont-ttf", "GPL-3 with font exception", ("FreeMonoBold.ttf",)),
    Family("Roboto", "fonts-roboto-unhinted", "Apache-2.0", ("Roboto-Regular.ttf", "Roboto-Medium.ttf")),
    Family("Open Sans", "fonts-open-sans", "Apache-2.0", ("OpenSans-Regular.ttf",)),
    Family("Lato", "fonts-lato", "OFL-1.1", ("Lato-Regular.ttf", "Lato-Bold.ttf")),
    Family("Noto Sans", "fonts-noto-core", "OFL-1.1", ("NotoSans-Regular.ttf",)),
    Family("Noto Serif", "fonts-noto-core", "OFL-1.1", ("NotoSerif-Regular.ttf",)),
    Family("Hack", "fonts-hack", "MIT and Bitstream Vera", ("Hack-Regular.ttf",)),
    Family("Carlito", "fonts-crosextra-carlito", "OFL-1.1", ("Carlito-Regular.ttf",)),
    Family("Fira Code", "fonts-firacode", "OFL-1.1", ("FiraCode-Regular.ttf",)),
    Family("JetBrains Mono", "fonts-jetbrains-mono", "Apache-2.0", ("JetBrainsMono-Regular.ttf",)),
    Family("Linux Libertine", "fonts-linuxlibertine", "OFL-1.1 or GPL-2 with font exception", ("LinLibertine_R.otf",)),
    Family("Linux Biolinum", "fonts-linuxlibertine", "OFL-1.1 or GPL-2 with font exception", ("LinBiolinum_R.otf",)),
    Family("Vollkorn", "fonts-vollkorn", "OFL-1.1", ("Vollkorn-Regular.ttf",)),
    Family("Junicode", "fonts-junicode", "OFL-1.1", ("JunicodeTwoBeta-Regular.otf",)),
    Family("Quicksand", "fonts-quicksand", "OFL-1.1", ("Quicksand-Regular.ttf",)),
    Family("Dosis", "fonts-dosis", "OFL-1.1", ("Dosis-Medium.otf",)),
    Family("Courier Prime", "fonts-courier-prime", "OFL-1.1", ("Courier Prime.otf",)),
    Family("Mononoki", "fonts-mononoki", "OFL-1.1", ("mononoki-Regular.ttf",)),
)

HELD_OUT = (
    Family("Cabin", "fonts-cabin", "OFL-1.1", ("Cabin-Regular.otf",)),
    Family("Cantarell", "fonts-cantarell", "OFL-1.1", ("Cantarell-Regular.otf",)),
    Family("Caladea", "fonts-crosextra-caladea", "OFL-1.1", ("Caladea-Regular.ttf",)),
    Family("EB Garamond", "fonts-ebgaramond", "OFL-1.1", ("EBGaramond12-Regular.otf",)),
    Family("Inconsolata", "fonts-inconsolata", "OFL-1.0", ("Inconsolata.otf",)),
    Family("Play", "fonts-play", "OFL-1.1", ("Play-Regular.ttf",)),
)


@cache
def _installed() -> dict[str, str]:
    """Paths of all installed faces by file name."""
    found: dict[str, str] = {}
    for folder in SEARCH:
        for path in sorted(folder.rglob("*.[ot]tf")):
            found.setdefault(path.name, str(path))
    return found


@cache
def paths(families: tuple[Family, ...]) -> tuple[str, ...]:
    """Paths of all faces of some families, in their order."""
    installed = _installed()
    missing = sorted({f.package for f in families for file in f.files if file not in installed})
    if missing:
        raise FileNotFoundError(
            f"no font files of {', '.join(missing)} under {[str(p) for p in SEARCH]}; on Debian: "
            f"apt-get install {' '.join(missing)}, or set FONT_DIRS")
    return tuple(installed[file] for f in families for file in f.files)


def faces(held_out: bool) -> tuple[str, ...]:
    """Paths of all faces on one side of the split, in a fixed order."""
    return paths(HELD_OUT if held_out else TRAINING)
