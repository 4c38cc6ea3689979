"""What is printed: words, names, numbers and prices of 1 to 16 characters, and the questions asked about them."""

import hashlib
import random

ALPHABET = [chr(code) for code in range(32, 127)] + ["£", "€"]
LONGEST = 16
BLANK_ANSWER = "(blank)"

QUESTIONS = (
    "What does it say?",
    "Read the text.",
    "What is written here?",
    "What text is in the picture?",
    "What does the picture say?",
    "What is the text in this image?",
    "Read this.",
    "What is printed here?",
    "Transcribe the text.",
    "What does the image say?",
    "Read the text in the image.",
    "What is written in the picture?",
)
SYSTEM_PROMPTS = ("You are a helpful assistant.",)

_HELD_OUT_SHARE = 0.1
WORDS = """able acorn after again air also amber anchor angle apple April arch atlas aunt autumn baker balance banana
basket beach bear bell berry bicycle birch bird blue board boat book bottle bread breeze bridge bright broom brown
bucket butter button cabin cake camera candle canvas captain car card carpet castle cat cedar chair chalk cheese cherry
church circle city clay clear climb clock cloud clover coast coat coffee coin color compass copper coral corner cotton
county cow cream crown crystal cup curtain daisy dance dark dawn deer delta desk diamond dinner doctor dog dolphin door
dragon dream dress drum duck eagle early earth east echo egg eight elbow elm ember empty engine evening exit eye fabric
falcon family farm feather fence field fifty fig finger fire fish flag flame flour flower fog forest fork forty fox
frame fresh friend frost fruit garden gate ginger glass glove gold goose grape grass gravel green grey guitar hammer
hand happy harbor harvest hat hazel heart hedge heron hill history honey horse hotel house ice idea indigo ink iron
island ivory ivy jacket January jazz jelly jewel joy July jungle kettle key king kitchen kite ladder lake lamp lantern
laurel lawn lemon letter library light lily linen lion lobby lunch magic magnet maple marble market meadow melon metal
milk mill mirror moon morning moss mountain mouse music napkin needle nest night nine north notebook number oak ocean
office olive onion open orange orchid otter oven owl oxygen paint palace paper parade park pearl pencil pepper piano
pilot pine planet plate plum pocket poem pond poppy port potato prairie prism pumpkin purple puzzle quartz queen quiet
quilt rabbit radio rain raven record red ribbon rice river road robin rocket roof room rope rose ruby saddle sail salt
sand school sea season seven shadow sheep shell ship shoe signal silk silver sister sky smoke snow soap song south
spice spoon spring spruce square star station stone storm street sugar summer sun swan table tea teacher temple tent
thirty thunder tiger timber tower train tree tulip turtle umbrella uncle valley velvet village violet violin voice
wagon walnut water wave wax west whale wheat wheel white willow wind window winter wolf wood wool yacht yard year
yellow yogurt zebra zero zinc""".split()
FIRST_NAMES = """Ada Alan Amy Anna Ben Beth Carl Clara Dan Dora Ed Ella Emil Eva Felix Fay Fred Gail George Grace Hans
Helen Henry Ida Igor Ines Ivan Jack Jane Jim Joan Karl Kate Ken Lea Leo Lisa Louis Lucy Marc Maria Max Mia Nina Noah
Nora Olga Omar Oscar Otto Paul Petra Quinn Rita Rob Rosa Ruth Sam Sara Sven Tess Theo Tom Uma Una Vera Victor Walt Wendy
Xavier Yara Yusuf Zara Zoe""".split()
LAST_NAMES = """Abel Adams Baker Berg Black Brown Burke Carter Chen Cole Cox Cruz Davis Diaz Dunn Evans Fay Fischer Ford
Fox Garcia Gray Green Hall Hill Hughes Ito Jones Kaur Kelly Khan King Klein Kumar Lee Lopez Lund Mason Meyer Mills Moore
Nagy Novak Olsen Ortiz Park Patel Perez Price Quist Reed Reyes Rossi Roth Sato Shaw Silva Singh Smith Stone Tan Todd
Ueda Vance Vega Wang Ward Webb West White Wolf Wood Young Zhou Zuse""".split()
_ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sh sk sl sp st t th tr v w wh y z".split()
_VOWELS = "a a e e i i o o u ai ea ee ie oa oo ou y".split()
_CODAS = ["", "", "", "b", "ck", "d", "ff", "g", "l", "ll", "m", "mp", "n", "nd", "ng", "nt", "p", "r", "rk", "rt", "s",
          "ss", "st", "t", "v", "x"]
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def is_held_out(text: str) -> bool:
    """Whether a string belongs to the held-out side: a tenth of all strings of three characters or more, by hash.

    Shorter strings are too few to be split and always belong to training.
    """
    return len(text) >= 3 and hashlib.sha256(text.encode()).digest()[0] < 256 * _HELD_OUT_SHARE


def draw_string(rng: random.Random, longest: int = LONGEST, held_out: bool = False, shortest: int = 1) -> str:
    """A string of at least `shortest` and at most `longest` characters from the wanted side of the split."""
    while True:
        text = rng.choices((_word, _name, _number, _price, _mixture), weights=(32, 20, 20, 18, 10))[0](rng)
        text = " ".join(text.split())
        if shortest <= len(text) <= longest and is_held_out(text) == held_out:
            return text


def draw_question(rng: random.Random) -> str:
    """The plain question four times out of ten, otherwise any wording."""
    return QUESTIONS[0] if rng.random() < 0.3 else rng.choice(QUESTIONS)


def invented(rng: random.Random, syllables: int | None = None) -> str:
    """A pronounceable word of a few syllables that need not exist."""
    syllables = syllables or rng.choices((1, 2, 3), weights=(3, 4, 2))[0]
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables))


def _cased(rng: random.Random, text: str) -> str:
    return rng.choices((text, text.capitalize(), text.upper()), weights=(4, 4, 2))[0]


def _word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return _cased(rng, rng.choice(WORDS))
    if kind < 0.65:
        return _cased(rng, invented(rng))
    if kind < 0.85:
        second = rng.choice(WORDS) if rng.random() < 0.5 else invented(rng)
        return _cased(rng, rng.choice(WORDS)) + rng.choice("    -&") + _cased(rng, second)
    return _cased(rng, "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 8))))


def _name(rng: random.Random) -> str:
    first = rng.choice(FIRST_NAMES) if rng.random() < 0.6 else invented(rng).capitalize()
    last = rng.choice(LAST_NAMES) if rng.random() < 0.6 else invented(rng).capitalize()
    text = rng.choice((first, last, f"{first} {last}", f"{first} {last}", f"{first[0]}. {last}", f"{first} {last[0]}.",
                       f"{last}, {first}", f"Dr. {last}", f"{first} O'{last}"))
    return text.upper() if rng.random() < 0.12 else text


def _number(rng: random.Random) -> str:
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 10)))
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2049)
    return rng.choice((
        digits, digits, digits[:4], digits[:2], f"{int(digits):,}", f"#{digits[:6]}", f"No. {digits[:5]}",
        f"-{digits[:4]}", f"{digits[:3]}%", f"{day:02}/{month:02}/{year}", f"{year}-{month:02}-{day:02}",
        f"{day:02}.{month:02}.{year}", f"{day} {_MONTHS[month - 1]} {year}",
        f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
        f"+{rng.randint(1, 99)} {digits[:7]}", f"({digits[:3]}) {digits[3:]}",
        f"{rng.choice('ABCDEFGHKLMNPRSTUVWXYZ')}-{digits[:5]}", f"{digits[:3]} x {digits[-2:]}"))


def _price(rng: random.Random) -> str:
    cents = rng.choice((rng.randint(1, 999), rng.randint(100, 9999), rng.randint(1000, 999999)))
    plain, comma = f"{cents / 100:.2f}", f"{cents // 100},{cents % 100:02}"
    grouped = f"{cents / 100:,.2f}"
    return rng.choice((f"${plain}", f"${plain}", f"£{plain}", f"€{plain}", f"{comma} €", f"{plain} EUR", f"${grouped}",
                       f"USD {plain}", plain, comma, f"${cents // 100}", f"{cents % 100}p",
                       f"{rng.randint(1, 9)} x {plain}", f"Total ${plain}", f"Sum: {plain}"))


def _mixture(rng: random.Random) -> str:
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 9)))
