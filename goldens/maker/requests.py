"""What the cases ask: OpenAI-style messages, with pictures by their path below the goldens."""

from dataclasses import dataclass, field, replace
from typing import Callable


@dataclass
class Case:
    name: str
    about: str
    messages: Callable[[str], list]  # takes a suffix for the last question; other suffixes are tried on rejection
    max_tokens: int = 20
    pixel_values: bool = False
    template_arguments: dict = field(default_factory=dict)
    ends: str | None = None  # "stop" or "length" where a case is about it
    same_as: str | None = None  # a case before this one that must give the same prompt and answer

    def because(self, about: str) -> "Case":
        """The same case, asked for another reason."""
        return replace(self, about=about)


def image(file: str, **limits) -> dict:
    return {"type": "image_url", "image_url": {"url": f"pictures/{file}"}, **limits}


def video(*files: str, **limits) -> dict:
    """Frames in the order of time."""
    return {"type": "video", "video": [f"pictures/{file}" for file in files], **limits}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def user(*parts) -> dict:
    return {"role": "user", "content": list(parts)}


def said(role: str, content: str) -> dict:
    return {"role": role, "content": content}
