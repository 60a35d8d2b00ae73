"""For those who run the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from gridbourse.service.auth.current import ExchangeOf
from gridbourse.service.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get("/ready")
async def ready(exchange: ExchangeOf) -> JSONResponse:
    """Say whether it takes orders: 503, and why, while it starts or stops, and when the region does not run."""
    obstacles = exchange.obstacles
    height = exchange.index.chains.height()
    if obstacles:
        return JSONResponse({"status": "not ready", "main_height": height, "obstacles": obstacles}, status_code=503)
    return JSONResponse({"status": "ready", "main_height": height})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Give all metrics to Prometheus."""
    shared: Metrics = request.app.state.metrics
    return Response(shared.text(), media_type=CONTENT_TYPE_LATEST)
