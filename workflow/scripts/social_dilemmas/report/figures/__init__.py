"""The figures, a module each, and what they share: style and panels."""
