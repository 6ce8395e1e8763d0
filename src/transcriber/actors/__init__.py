"""The actors: small objects with `async def run(self)`, which talk through links and know only ports."""
