"""Benchmarks: each script measures one subject and writes its numbers as JSON and Markdown."""
