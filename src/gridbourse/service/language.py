"""Which language a caller reads."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import cookie_parser

from gridbourse.text import DEFAULT_LANGUAGE, LANGUAGES, Language

LANGUAGE_COOKIE = "gridbourse_language"


def preferred_language(accept_language: str) -> Language:
    """The first language of an `Accept-Language` header (RFC 9110, section 12.5.4) that there is a translation for."""
    wanted = sorted((_quality(part) for part in accept_language.split(",")), key=lambda pair: -pair[0])
    primary = (tag.split("-")[0].lower() for quality, tag in wanted if quality > 0)
    return next((tag for wish in primary if (tag := known_language(wish)) is not None), DEFAULT_LANGUAGE)


def language_of(headers: Mapping[str, str]) -> Language:
    """The language that a reader chose on a page, else the one that its program prefers."""
    chosen = cookie_parser(headers.get("cookie", "")).get(LANGUAGE_COOKIE, "")
    return known_language(chosen) or preferred_language(headers.get("accept-language", ""))


def known_language(tag: str) -> Language | None:
    """The language with a tag, if there is a translation for it."""
    return next((known for known in LANGUAGES if known == tag), None)


def _quality(part: str) -> tuple[float, str]:
    tag, _, quality = part.partition(";q=")
    try:
        return (float(quality) if quality else 1.0), tag.strip()
    except ValueError:
        return 0.0, tag.strip()
