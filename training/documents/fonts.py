"""The faces of documents: those of printed lines and more, each family wholly on one side of the split."""

from reader import fonts
from reader.fonts import Family

TRAINING = (
    *fonts.TRAINING,
    Family("Inter", "fonts-inter", "OFL-1.1", ("Inter-Regular.otf", "Inter-SemiBold.otf")),
    Family("Roboto Slab", "fonts-roboto-slab", "Apache-2.0", ("RobotoSlab-Regular.otf",)),
    Family("Old Standard", "fonts-oldstandard", "OFL-1.1", ("OldStandard-Regular.ttf",)),
    Family("Clear Sans", "fonts-clear-sans", "Apache-2.0", ("ClearSans-Regular.ttf", "ClearSans-Bold.ttf")),
    Family("Comic Neue", "fonts-comic-neue", "OFL-1.1", ("ComicNeue-Regular.otf",)),
    Family("B612", "fonts-b612", "OFL-1.1 or EPL-2.0", ("B612-Regular.otf",)),
    Family("B612 Mono", "fonts-b612", "OFL-1.1 or EPL-2.0", ("B612Mono-Regular.otf",)),
    Family("Agave", "fonts-agave", "MIT", ("agave-r-autohinted.ttf",)),
    Family("Go", "fonts-go", "BSD-3-Clause", ("Go-Regular.ttf",)),
    Family("Go Mono", "fonts-go", "BSD-3-Clause", ("Go-Mono.ttf", "Go-Mono-Bold.ttf")),
    Family("PT Sans", "fonts-paratype", "ParaType Free Font License", ("PTS55F.ttf", "PTS75F.ttf")),
    Family("PT Mono", "fonts-paratype", "ParaType Free Font License", ("PTM55F.ttf",)),
    Family("PT Serif", "fonts-paratype", "ParaType Free Font License", ("PTF55F.ttf",)),
    Family("Andika", "fonts-sil-andika", "OFL-1.1", ("Andika-Regular.ttf",)),
    Family("Quattrocento", "fonts-quattrocento", "OFL-1.1", ("Quattrocento-Regular.otf",)),
    Family("Nimbus Sans", "fonts-urw-base35", "AGPL-3 with font exception", ("NimbusSans-Regular.otf",)),
    Family("Nimbus Roman", "fonts-urw-base35", "AGPL-3 with font exception", ("NimbusRoman-Bold.otf",)),
    Family("Nimbus Mono", "fonts-urw-base35", "AGPL-3 with font exception", ("NimbusMonoPS-Bold.otf",)),
    Family("C059", "fonts-urw-base35", "AGPL-3 with font exception", ("C059-Roman.otf",)),
    Family("URW Gothic", "fonts-urw-base35", "AGPL-3 with font exception", ("URWGothic-Book.otf",)),
    Family("URW Bookman", "fonts-urw-base35", "AGPL-3 with font exception", ("URWBookman-Light.otf",)),
    Family("Manrope", "fonts-manrope", "OFL-1.1", ("Manrope-Medium.ttf",)),
    Family("3270", "fonts-3270", "BSD-3-Clause or OFL-1.1", ("3270-Regular.ttf",)),
    Family("Noto Sans Mono", "fonts-noto-mono", "OFL-1.1", ("NotoSansMono-Regular.ttf",)),
    Family("Hermit", "fonts-hermit", "OFL-1.1", ("Hermit-medium.otf",)),
    Family("Jura", "fonts-jura", "OFL-1.1", ("Jura-Medium.otf",)),
)

HELD_OUT = (
    *fonts.HELD_OUT,
    Family("Karla", "fonts-karla", "OFL-1.1", ("Karla-Regular.otf", "Karla-Bold.otf")),
    Family("Anonymous Pro", "fonts-anonymous-pro", "OFL-1.1", ("Anonymous Pro.ttf",)),
    Family("Oxygen", "fonts-oxygen", "GPL-3 with font exception or OFL-1.1", ("Oxygen-Sans.ttf",)),
    Family("Charis SIL", "fonts-sil-charis", "OFL-1.1", ("CharisSIL-Regular.ttf",)),
    Family("Gillius ADF", "fonts-adf-gillius", "GPL-2 with font exception", ("GilliusADF-Regular.otf",)),
    Family("P052", "fonts-urw-base35", "AGPL-3 with font exception", ("P052-Roman.otf",)),
    Family("League Mono", "fonts-league-mono", "OFL-1.1", ("LeagueMono-Regular.otf",)),
)


def faces(held_out: bool) -> tuple[str, ...]:
    """Paths of all faces on one side of the split, in a fixed order."""
    return fonts.paths(HELD_OUT if held_out else TRAINING)
