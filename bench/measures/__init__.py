"""The measures: each takes the benchmark context and returns a section of the report."""
