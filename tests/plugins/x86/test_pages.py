"""Pages."""

import pytest

from domctx_x86 import PAGE_SHIFT, PAGE_SIZE, pages_of


@pytest.mark.parametrize(("octets", "pages"), [(0, 0), (1, 1), (4096, 1), (4097, 2)])
def test_a_page_that_is_begun_counts(octets: int, pages: int) -> None:
    """Octets take whole pages."""
    assert pages_of(octets) == pages
    assert PAGE_SIZE == 1 << PAGE_SHIFT
