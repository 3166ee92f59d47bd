"""What can be run and what is measured: data, no files, no processes."""
