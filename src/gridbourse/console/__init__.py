"""The exchange as a service: a REST API, server-sent events, and the pages that people use."""
