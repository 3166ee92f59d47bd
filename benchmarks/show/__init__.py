"""Tell people: figures, sections, the page, Markdown, the terminal."""
