"""Settings for tests of decisions."""

from hypothesis import settings

# A busy machine is not a fault in the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
