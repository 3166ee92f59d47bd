"""Do it: the only room that starts processes or touches devices."""
