"""The consortium engine: CometBFT puts the transactions in order, the executor runs them.

From the outside in: `node` (one organisation's node), `process` (its CometBFT), `server` and `application` (what
CometBFT asks), `chain` (the answers), `membership` (who votes), `snapshot` (joining without a replay), and
`folder` (what an organisation keeps on disk).
"""
