"""An embedded local AWS: ministack, extended in its own process, for tests, the demo and the benchmark."""
