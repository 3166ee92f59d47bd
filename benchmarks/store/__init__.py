"""Keep results: one schema; append, read, export."""
