"""What the benchmarks share: records, a server, the measuring, the report."""
