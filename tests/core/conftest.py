"""How hypothesis is used in the whole suite: a machine that is busy is no reason to fail."""

from hypothesis import settings

settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
