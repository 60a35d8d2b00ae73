"""The part of the interface of `Probe.sol` that tools are given."""

from __future__ import annotations

ABI = [
    {
        "type": "function",
        "name": "store",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "key", "type": "uint256"}, {"name": "value", "type": "uint256"}],
        "outputs": [],
    },
    {
        "type": "function",
        "name": "values",
        "stateMutability": "view",
        "inputs": [{"name": "", "type": "uint256"}],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {"type": "function", "name": "refuse", "stateMutability": "nonpayable", "inputs": [], "outputs": []},
    {
        "type": "function",
        "name": "refuseWith",
        "stateMutability": "pure",
        "inputs": [{"name": "reason", "type": "uint256"}],
        "outputs": [],
    },
    {"type": "error", "name": "Refused", "inputs": [{"name": "reason", "type": "uint256"}]},
    {
        "type": "event",
        "name": "Stored",
        "anonymous": False,
        "inputs": [
            {"name": "key", "type": "uint256", "indexed": True},
            {"name": "sender", "type": "address", "indexed": True},
            {"name": "value", "type": "uint256", "indexed": False},
        ],
    },
]
