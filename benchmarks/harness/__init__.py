"""What the commands and the ASV benchmarks share: measuring, recording, reporting."""
