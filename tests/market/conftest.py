import pytest
from examples import small_market


@pytest.fixture
def market():
    return small_market()
