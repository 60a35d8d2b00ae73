"""Asks a server as a tool does."""

from __future__ import annotations

from itertools import count

import httpx

from gridbourse.chain.rpc.server import RpcServer


class Caller:
    """Asks a server as a tool does."""

    def __init__(self, server: RpcServer) -> None:
        self.http = httpx.Client(base_url=server.url, trust_env=False)
        self._ids = count(1)

    def post(self, body: object) -> object:
        response = self.http.post("/", json=body)
        assert response.status_code == 200
        return response.json()

    def request(self, method: str, *params: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    def ask(self, method: str, *params: object) -> object:
        answer = self.post(self.request(method, *params))
        assert "error" not in answer, answer
        return answer["result"]

    def error(self, method: str, *params: object) -> tuple[int, str]:
        error = self.post(self.request(method, *params))["error"]
        return error["code"], error["message"]
