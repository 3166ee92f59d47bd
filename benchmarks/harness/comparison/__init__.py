"""How well each rule learns, and how sure that is: the runs of the comparison, and its statistics."""
