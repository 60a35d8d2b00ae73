"""The REST API, version 1: one router for each subject."""
