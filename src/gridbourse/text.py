"""What regulator and service say: sentences that exist in English and in Chinese."""

from __future__ import annotations

from typing import Literal, Self

from gridbourse.chinese import CHINESE

Language = Literal["en", "zh"]


class Message(str):
    """A sentence that code makes for people: English text that can be said in Chinese too.

    Parameters
    ----------
    template
        The sentence with its parts in braces, as `gridbourse.chinese` translates it.
    parts
        What stands in the braces; other findings are said in the same language.
    """

    template: str
    parts: dict[str, object]

    def __new__(cls, template: str, **parts: object) -> Self:
        """Write the sentence in English, and keep what it is made of."""
        finding = super().__new__(cls, template.format(**parts))
        finding.template, finding.parts = template, parts
        return finding

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), self.parts

    @classmethod
    def of(cls, error: Exception) -> str:
        """The finding that an error carries, or else its text."""
        return error.args[0] if error.args and isinstance(error.args[0], cls) else str(error)


def say(text: str, language: Language) -> str:
    """Say a finding, or the title of a step, in a language; what is neither stays as it is."""
    if language == "en":
        return str(text)
    if not isinstance(text, Message):
        return CHINESE.get(text, text)
    parts = {name: say(part, language) if isinstance(part, Message) else part for name, part in text.parts.items()}
    return CHINESE[text.template].format(**parts)
