"""Everything that can take a seat in a match."""
