"""What every page has around it, in the reader's language and colours, and what is said when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gridbourse.api.schema import EnergyTypeName
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import GridbourseError, InvalidValue, NotFound
from gridbourse.service.auth.current import current_user, exchange_of
from gridbourse.service.language import language_of
from gridbourse.service.problems import explanation, faults_of, heading, status_of
from gridbourse.service.rights import NOBODY, Principal
from gridbourse.service.use_cases.service import Exchange
from gridbourse.text import DEFAULT_LANGUAGE, LANGUAGES, Message, Translation, read_translation, say
from gridbourse.web.formats import filters

THEME_COOKIE = "gridbourse_theme"
THEMES = frozenset({"light", "dark"})
PREFERENCE_SECONDS = 365 * 86_400
_TEMPLATES = Path(__file__).parent / "templates"


class Frames:
    """Makes the frame of each request; holds the templates and the texts.

    Parameters
    ----------
    calendar
        The region's delivery days and local time.
    """

    def __init__(self, calendar: DeliveryCalendar) -> None:
        self.templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters.update(filters(calendar))
        self.templates.globals.update(
            icon=_icon, calendar=calendar, languages=LANGUAGES, energy_types=[str(name) for name in EnergyTypeName]
        )

    def of(self, request: Request, principal: Principal) -> Frame:
        """The frame of a request."""
        return Frame(self.templates, read_translation(language_of(request.headers)), request, principal)

    def fail(self, request: Request, error: GridbourseError | RequestValidationError) -> Response:
        """Tell that a page cannot do what was asked."""
        frame = _frame_for_failure(request)
        if isinstance(error, RequestValidationError):
            return frame.tell(HTTPStatus.UNPROCESSABLE_ENTITY, frame.malformed(error))
        return frame.tell(status_of(error), frame.explain(error))

    def tell(self, request: Request, status: HTTPStatus, detail: str, headers: Mapping[str, str]) -> Response:
        """Tell of a problem that came up before a page was reached."""
        frame = _frame_for_failure(request)
        page = frame.tell(status, frame.sentence(say(detail, frame.t.language)))
        page.headers.update(headers)
        return page


class Frame:
    """One request, whoever sends it, and how it is answered.

    Parameters
    ----------
    templates
        All templates.
    translation
        The texts in the reader's language.
    request
        The request.
    principal
        Who asks.
    """

    def __init__(
        self, templates: Environment, translation: Translation, request: Request, principal: Principal
    ) -> None:
        self._templates = templates
        self.t = translation
        self.request = request
        self.principal = principal
        self.exchange: Exchange = exchange_of(request)

    def render(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: object) -> HTMLResponse:
        """Answer with a page."""
        page = self._templates.get_template(template).render(self._around() | context)
        response = HTMLResponse(page, status)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Cookie, Accept-Language"
        return response

    def go(self, path: str, done: str = "") -> RedirectResponse:
        """Answer a form that was carried out: on to a page, which says what was done."""
        return RedirectResponse(f"{path}?done={done}" if done else path, HTTPStatus.SEE_OTHER)

    def explain(self, error: GridbourseError) -> str:
        """Say in the reader's language what is wrong, of a form's field in words of its own."""
        wrong = self.t.maybe(f"wrong.{error.field}") if isinstance(error, InvalidValue) else None
        if wrong is not None:
            return wrong
        return self.sentence(explanation(self._labelled(error), self.t.language))

    def malformed(self, error: RequestValidationError) -> str:
        """Say which fields of a form are not as it has them, those that the reader knows by a name."""
        told = [
            self.t("error.field", field=label, remedy=fault.remedy)
            for fault in faults_of(error, self.t)
            if (label := self.t.maybe(f"field.{fault.field.rsplit('.', 1)[-1]}"))
        ]
        return "".join([*told, self.t("error.malformed" if not told else "error.go_back")])

    def sentence(self, text: str) -> str:
        """Write what is said as a sentence that stands alone."""
        begins = text[:1].upper() if self.t.language == DEFAULT_LANGUAGE else text[:1]
        return begins + text[1:] + self.t("list.full_stop")

    def _labelled(self, error: GridbourseError) -> GridbourseError:
        """An error that calls a field as the reader sees it."""
        if not isinstance(error, InvalidValue):
            return error
        label = self.t.maybe(f"field.{error.field}") or self.t("error.input")
        return InvalidValue(label, error.value, error.remedy)

    def tell(self, status: HTTPStatus, text: str) -> HTMLResponse:
        """Answer with a page that says what went wrong."""
        return self.render("message.html", status=status, heading=heading(status, self.t), text=text)

    def _around(self) -> dict[str, object]:
        url = self.request.url
        here = quote(url.path) + (f"?{url.query}" if url.query else "")
        if self.request.method != "GET":
            here = own_path(
                self.request.headers.get("referer", "").removeprefix(str(self.request.base_url).rstrip("/"))
            )
        theme = self.request.cookies.get(THEME_COOKIE, "")
        names = self.exchange.shown_names[self.t.language]
        done = self.t.maybe(f"done.{self.request.query_params.get('done', '')}")
        return {
            "t": self.t,
            "principal": self.principal,
            "region": names.region,
            "names": names,
            "settings": self.exchange.market.settings(),
            "height_now": self.exchange.index.chains.height(),
            "now": self.exchange.now,
            "path": url.path,
            "place": url.path.split("/")[1] or "home",
            "here": here,
            "theme": theme if theme in THEMES else "",
            "notes": [("", done)] if done else [],
        }


async def frame_of(request: Request) -> Frame:
    """The frame of a request. Raises like `current_user`."""
    frames: Frames = request.app.state.frames
    return frames.of(request, current_user(request))


PageFrame = Annotated[Frame, Depends(frame_of)]


def page_router() -> APIRouter:
    """A router for pages; what fails is told by `Frames`."""
    return APIRouter(default_response_class=HTMLResponse)


def nothing_else() -> APIRouter:
    """What answers to every path that is neither a page nor an operation."""
    router = APIRouter()

    @router.get("/{path:path}")
    async def nothing_here(path: str) -> Response:
        raise NotFound(Message("there is no {path} here", path=f"/{path}"))

    return router


def own_path(text: str) -> str:
    """A path of this site to go on to; ``/`` for anything that might lead elsewhere."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_own else "/"


def _frame_for_failure(request: Request) -> Frame:
    frames: Frames = request.app.state.frames
    try:
        return frames.of(request, current_user(request))
    except GridbourseError:
        return frames.of(request, NOBODY)


def _icon(name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="/static/icons.svg#{}"/></svg>').format(name)
