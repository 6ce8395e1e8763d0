"""A logger that writes the lines of `docs/logs.md`, and nothing of what was said.

Only a program of its own makes one: embedded in another, Transcriber is given a logger. Nothing global is configured.
"""

from transcriber.adapters.logs.logger import LogStyle, open_logger

__all__ = ["LogStyle", "open_logger"]
