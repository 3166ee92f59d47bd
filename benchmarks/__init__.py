"""How the implementations are measured. Imported from a checkout, never part of the wheel."""
