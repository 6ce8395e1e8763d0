"""Wiring: settings become a running tree."""
