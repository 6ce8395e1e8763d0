"""Supervision: start, watch and restart anything that has `async def run(self)`."""
