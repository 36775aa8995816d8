"""How GPUs are cut: placement by the rules of the hardware, against a checker that knows nothing of bits."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.shared_gpu.slices import Geometry, Placed, SlicesProfile

CATALOG = Catalog()
NAMES = [name for name in CATALOG.paths() if name.startswith("nvidia-mig-")]
SEVENTHS = [name for name in NAMES if CATALOG.slices(name).compute == 7]
A100 = CATALOG.slices("nvidia-mig-a100-40gb").geometry
PLAIN = ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")


def allowed(geometry: Geometry, instances: list[Placed]) -> bool:
    """The rules of the guide on a row of cells: nothing twice, starts as listed, no more than there is."""
    cells: list[str | None] = [None] * geometry.memory
    for kind, start in instances:
        rules = geometry.kinds[kind]
        if start not in rules.starts or start + rules.memory > geometry.memory:
            return False
        for cell in range(start, start + rules.memory):
            if cells[cell] is not None:
                return False
            cells[cell] = kind
    counts = Counter(kind for kind, _ in instances)
    enough = all(count <= geometry.kinds[kind].most for kind, count in counts.items())
    return enough and sum(geometry.kinds[kind].compute for kind, _ in instances) <= geometry.compute


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_nothing_is_ever_given_twice(name: str, data: st.DataObject) -> None:
    """Instances come and go in any order; the starts that are offered are just those that the rules allow."""
    geometry = CATALOG.slices(name).geometry
    there: list[Placed] = []
    for _ in range(data.draw(st.integers(1, 14))):
        leaves: bool = data.draw(st.booleans())
        if there and leaves:
            there.remove(data.draw(st.sampled_from(there)))
            continue
        kind = data.draw(st.sampled_from(sorted(geometry.kinds)))
        brute = [s for s in range(geometry.memory) if allowed(geometry, [*there, Placed(kind, s)])]
        assert list(geometry.starts(there, kind)) == brute
        placed = geometry.place(there, kind)
        assert (placed is None) == (not brute)
        if placed is not None:
            assert placed.start in brute
            there.append(placed)
    assert allowed(geometry, there)


@given(st.lists(st.sampled_from(sorted(A100.kinds)), max_size=6))
def test_an_arrangement_is_found_whenever_there_is_one(kinds: list[str]) -> None:
    """``arrange`` against every choice of starts."""
    found = A100.arrange(kinds)
    options = product(*(A100.kinds[kind].starts for kind in kinds))
    possible = any(allowed(A100, [Placed(k, s) for k, s in zip(kinds, starts, strict=True)]) for starts in options)
    assert (found is not None) == possible
    if found is not None:
        assert [placed.kind for placed in found] == kinds
        assert allowed(A100, list(found))


@pytest.mark.parametrize("name", SEVENTHS)
def test_published_number_of_configurations(name: str) -> None:
    """19 arrangements of the five plain kinds leave no room for more: the rows of the guide's figure.

    Li et al. (MISO, arXiv:2207.11428) count 18 on drivers without the 4g beside a 3g: it is the one between.
    """
    geometry = CATALOG.slices(name).geometry
    plain = [
        kind for kind, rules in geometry.kinds.items() if "+" not in kind and (rules.compute, rules.memory) != (1, 2)
    ]
    assert len(plain) == 5
    full = geometry.full(plain)
    assert len(full) == 19
    split = {frozenset(geometry.kinds[placed.kind].compute for placed in taken) for taken in full if len(taken) == 2}
    assert frozenset({3, 4}) in split
    without = [t for t in full if {geometry.kinds[p.kind].compute for p in t} != {3, 4}]
    assert len(without) == 18


@pytest.mark.parametrize("name", SEVENTHS)
def test_instances_of_the_guides_tables(name: str) -> None:
    """As many of each kind fit by themselves as the guide lists, and as the profile says at most."""
    geometry = CATALOG.slices(name).geometry
    listed = {(1, 1): 7, (1, 2): 4, (2, 2): 3, (3, 4): 2, (4, 4): 1, (7, 8): 1}
    for kind, rules in geometry.kinds.items():
        there: list[Placed] = []
        while (placed := geometry.place(there, kind)) is not None:
            there.append(placed)
        assert len(there) == rules.most == (1 if "+me" in kind else listed[rules.compute, rules.memory])


def test_the_guides_own_examples() -> None:
    """Creating a 2-1-1-1-1-1 geometry one by one ends where the driver put it: the 2g at 4, the 1g at 6 first."""
    there: list[Placed] = []
    for kind in ("2g.10gb", *["1g.5gb"] * 5):
        placed = A100.place(there, kind)
        assert placed is not None
        there.append(placed)
    assert there[:2] == [Placed("2g.10gb", 4), Placed("1g.5gb", 6)]
    assert {placed.start for placed in there[1:]} == {0, 1, 2, 3, 6}
    # 3-2-1-1 of the guide is one of those that can be, and leaves nothing open.
    of_guide = frozenset({Placed("1g.5gb", 0), Placed("1g.5gb", 1), Placed("2g.10gb", 2), Placed("3g.20gb", 4)})
    assert of_guide in A100.full(PLAIN)


def test_a_gpu_with_room_in_sum_may_have_none_in_a_row() -> None:
    """Fragmentation: two small instances in the wrong places block both large ones, and six slices stand free."""
    scattered = (Placed("1g.5gb", 2), Placed("1g.5gb", 5))
    assert A100.starts(scattered, "3g.20gb") == ()
    assert A100.memory - A100.mask(scattered).bit_count() == 6
    packed = (Placed("1g.5gb", 5), Placed("1g.5gb", 6))
    assert A100.starts(packed, "3g.20gb") == (0,)
    assert A100.freedom(packed) > A100.freedom(scattered)


@given(st.sampled_from(SEVENTHS), st.integers(0, 1000), st.integers(0, 1000))
def test_the_smallest_slice_is_enough_and_no_smaller_is(name: str, compute: int, memory: int) -> None:
    """Parts of a GPU in thousandths: no kind with fewer memory slices has as much of both."""
    geometry = CATALOG.slices(name).geometry
    kind = geometry.smallest(compute / 1000, memory / 1000)
    assert kind is not None
    of = {n: (k.memory, k.compute / 7 + 0.001, k.memory / 8 + 0.001) for n, k in geometry.kinds.items() if "+" not in n}
    assert of[kind][1] >= compute / 1000
    assert of[kind][2] >= memory / 1000
    assert not [n for n, (m, c, b) in of.items() if m < of[kind][0] and c >= compute / 1000 and b >= memory / 1000]


@pytest.mark.parametrize("name", NAMES)
def test_slices_are_no_more_than_the_whole(name: str) -> None:
    """Neither multiprocessors nor memory of any arrangement exceed the whole GPU's."""
    profile = CATALOG.slices(name)
    whole = max(profile.slices.values(), key=lambda one: one.memory)
    board = next((g for g in map(CATALOG.gpu, gpus()) if g.slices == name), None)
    for taken in profile.geometry.full():
        of = [profile.slices[placed.kind] for placed in taken]
        assert sum(one.multiprocessors.value for one in of) <= whole.multiprocessors.value
        assert sum(float(one.usable.value) for one in of) <= float(whole.usable.value) * 1.005  # rounded to 0.01 GiB
    if board is not None:
        assert board.chip is not None
        assert whole.multiprocessors.value <= board.chip.multiprocessors.value
        assert float(whole.usable.value) <= board.memory.held_bytes


def gpus() -> list[str]:
    """Names of all GPUs."""
    return [name for name, path in CATALOG.paths().items() if path.parent.name == "gpus"]


def test_gpus_name_slices_that_there_are() -> None:
    """And those of the issue can be cut: A100, H100, H200, B200."""
    cut = {name: slices for name in gpus() if (slices := CATALOG.gpu(name).slices) is not None}
    assert set(cut.values()) <= set(NAMES)
    assert {"nvidia-a100-sxm-40gb", "nvidia-a100-sxm-80gb", "nvidia-h100-sxm-80gb", "nvidia-h200-sxm-141gb"} <= set(cut)
    assert "nvidia-b200-sxm-180gb" in cut
    for name, slices in cut.items():
        memory = {"a100-sxm-40": 40, "h200": 141, "b200": 180, "gb200": 186}
        whole = max(CATALOG.slices(slices).geometry.kinds.items(), key=lambda kind: kind[1].memory)[0]
        size = next((gb for key, gb in memory.items() if key in name and not (key == "b200" and "gb200" in name)), None)
        assert size is None or whole == f"7g.{size}gb"


def test_what_reaches_beyond_is_refused() -> None:
    """A kind that could start so late that it ends outside, or has more compute slices than there are."""
    plain = CATALOG.slices("nvidia-mig-a30-24gb").model_dump(mode="json")
    plain["slices"]["2g.12gb"]["starts"]["value"] = [0, 3]
    with pytest.raises(ValueError, match="reaches beyond the whole"):
        SlicesProfile.model_validate(plain)
    plain["slices"]["2g.12gb"]["starts"]["value"] = [2, 0]
    with pytest.raises(ValueError, match="must increase"):
        SlicesProfile.model_validate(plain)
