"""Agents behind a chat-completions API."""
