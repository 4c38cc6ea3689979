"""Pictures of small documents, questions about them, and the training of a model that answers.

A document is made in four steps, each from a random generator and nothing else: `content` says what it states,
`layout` where each word stands, `drawing` what it looks like, `questions` what can be asked about it. Everything comes
on two sides, one for training and one held out: values, faces, layout programs and phrasings (`Sides`).

Shapes are those of `reader`: B pictures in a batch, N patches of 14x14 pixels, C = N / 4 merged cells of 28x28 pixels,
S ordered character slots per patch, V slot classes (0 = no character), K turns about one page, T tokens of a turn,
D width of the language model, E width of the vision tower.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sides:
    """Which ingredients of a document come from their held-out side; `varied`: whether phrasings of the training side are
    all of those, see `phrasings.side`."""

    values: bool = False
    fonts: bool = False
    layouts: bool = False
    phrasings: bool = False
    varied: bool = False


TRAINING = Sides()
