"""What is said to people, in their language: one catalogue of texts for each (`locale/`, in gettext's form).

Labels of pages have names (``market.title``), which stand in every catalogue. Sentences that code makes are their own
English text, a `Message`, and stand in the catalogues of the other languages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from babel.messages.pofile import read_po

Language = Literal["en", "zh"]
DEFAULT_LANGUAGE: Language = "en"
LANGUAGES: Mapping[Language, str] = {"en": "English", "zh": "中文"}
"""What each language calls itself, by its tag (BCP 47)."""


class Message(str):
    """A sentence that code makes for people: English text that can be said in other languages too.

    Parameters
    ----------
    template
        The sentence with its parts in braces, as it stands in the catalogues.
    parts
        What stands in the braces; other messages are said in the same language.
    """

    template: str
    parts: dict[str, object]

    def __new__(cls, template: str, **parts: object) -> Self:
        """Write the sentence in English, and keep what it is made of."""
        message = super().__new__(cls, template.format(**parts))
        message.template, message.parts = template, parts
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), self.parts

    @classmethod
    def of(cls, error: Exception) -> str:
        """The message that an error carries, or else its text."""
        return error.args[0] if error.args and isinstance(error.args[0], cls) else str(error)


@dataclass(frozen=True, slots=True)
class DisplayName:
    """What people call somebody in each language, beside the short name that everything is filed under.

    Parameters
    ----------
    en, zh
        The name in English and in Chinese; empty where there is none.
    """

    en: str = ""
    zh: str = ""

    def read(self, language: Language, short: str) -> str:
        """The name in a language; else that in the other one, or the short name."""
        return (self.zh if language == "zh" else self.en) or self.en or self.zh or short


NO_DISPLAY_NAME = DisplayName()


@dataclass(frozen=True, slots=True)
class Translation:
    """The texts of one language.

    Parameters
    ----------
    language
        Its tag.
    texts
        By name, or by English sentence. `{name}` in a text stands for a value.
    """

    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a name, with its values put in."""
        return self.texts[key].format_map(values) if values else self.texts[key]

    def in_english(self) -> Translation:
        """The texts in English."""
        return read_translation(DEFAULT_LANGUAGE)

    def maybe(self, key: str) -> str | None:
        """The text of a name that may be unknown here."""
        return self.texts.get(key)


@cache
def read_translation(language: Language) -> Translation:
    """Read the catalogue of a language."""
    path = files(__package__).joinpath("locale", language, "LC_MESSAGES", "gridbourse.po")
    with path.open("rb") as content:
        catalogue = read_po(content, locale=language)
    return Translation(language, {str(entry.id): str(entry.string) for entry in catalogue if entry.id})


def say(text: str, language: Language) -> str:
    """Say a message, or the title of a step, in a language; what is neither stays as it is."""
    if language == DEFAULT_LANGUAGE:
        return str(text)
    texts = read_translation(language).texts
    if not isinstance(text, Message):
        return texts.get(text, text)
    parts = {name: say(part, language) if isinstance(part, Message) else part for name, part in text.parts.items()}
    return texts[text.template].format(**parts)
