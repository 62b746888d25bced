"""What the benchmarks are: facts and parsing."""
