"""The languages of the console: one flat file of texts for each, all with the same keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from starlette.requests import cookie_parser

_FOLDER = Path(__file__).parent / "i18n"
LanguageTag = Literal["en", "zh"]
DEFAULT_LANGUAGE: LanguageTag = "en"
LANGUAGE_COOKIE = "gridbourse_language"
LANGUAGES: Mapping[LanguageTag, str] = {"en": "English", "zh": "中文"}
"""What each language calls itself, by its tag (BCP 47)."""


@dataclass(frozen=True, slots=True)
class Translation:
    """The texts of one language.

    Parameters
    ----------
    language
        Its tag.
    texts
        By key. `{name}` in a text stands for a value.
    """

    language: LanguageTag
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with its values put in."""
        return self.texts[key].format_map(values) if values else self.texts[key]

    def in_english(self) -> Translation:
        """The texts in English."""
        return read_translation(DEFAULT_LANGUAGE)

    def maybe(self, key: str) -> str | None:
        """The text of a key that may be unknown here."""
        return self.texts.get(key)


@cache
def read_translation(tag: LanguageTag) -> Translation:
    """Read the texts of a language."""
    return Translation(tag, json.loads((_FOLDER / f"{tag}.json").read_text("utf-8")))


def preferred_language(accept_language: str) -> LanguageTag:
    """The first language of an `Accept-Language` header (RFC 9110, section 12.5.4) that there is a translation for."""
    wanted = sorted((_quality(part) for part in accept_language.split(",")), key=lambda pair: -pair[0])
    primary = (tag.split("-")[0].lower() for quality, tag in wanted if quality > 0)
    return next((tag for wish in primary if (tag := known_language(wish)) is not None), DEFAULT_LANGUAGE)


def language_of(headers: Mapping[str, str]) -> LanguageTag:
    """The language that a reader chose on a page, else the one that its program prefers."""
    chosen = cookie_parser(headers.get("cookie", "")).get(LANGUAGE_COOKIE, "")
    return known_language(chosen) or preferred_language(headers.get("accept-language", ""))


def known_language(tag: str) -> LanguageTag | None:
    """The language with a tag, if there is a translation for it."""
    return next((known for known in LANGUAGES if known == tag), None)


def _quality(part: str) -> tuple[float, str]:
    tag, _, quality = part.partition(";q=")
    try:
        return (float(quality) if quality else 1.0), tag.strip()
    except ValueError:
        return 0.0, tag.strip()
