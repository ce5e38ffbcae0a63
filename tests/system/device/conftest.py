"""What the tests of this folder share, besides the devices."""
import pytest

import shim


@pytest.fixture(autouse=True)
def nothing_goes_on():
    """What a test started ends with it, also where the test failed: recovery runs for ever."""
    yield
    shim.end_what_was_started()
