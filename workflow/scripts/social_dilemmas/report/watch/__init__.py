"""A page that shows a run while it is at work. It only reads what the run writes."""
