"""The configuration: what it may hold, how it is read, and what it asks for."""
