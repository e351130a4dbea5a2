"""A key that was looked up a moment ago."""

from __future__ import annotations

from app.api.keys.cache import RecentKeys


class Keys:
    """Keys in a table, and how often it was asked."""

    def __init__(self) -> None:
        self.valid: dict[str, str] = {"good": "owner"}
        self.looks = 0
        self.time = 100.0
        self.recent: RecentKeys[str] = RecentKeys(1.0, lambda: self.time)

    async def get(self, name: str) -> str | None:
        async def look() -> str | None:
            self.looks += 1
            return self.valid.get(name)

        return await self.recent.get(name, look)


async def test_a_valid_key_is_looked_up_once_a_second() -> None:
    keys = Keys()
    assert [await keys.get("good") for _ in range(3)] == ["owner"] * 3
    assert keys.looks == 1
    keys.time += 1
    assert await keys.get("good") == "owner"
    assert keys.looks == 2


async def test_a_revoked_key_is_known_no_longer_than_that() -> None:
    keys = Keys()
    await keys.get("good")
    del keys.valid["good"]
    assert await keys.get("good") == "owner"
    keys.time += 1
    assert await keys.get("good") is None
    keys.time -= 1
    assert await keys.get("good") is None, "nor is it remembered"


async def test_a_key_that_is_revoked_here_is_forgotten_at_once() -> None:
    keys = Keys()
    await keys.get("good")
    keys.valid.clear()
    keys.recent.forget()
    assert await keys.get("good") is None


async def test_guesses_are_not_remembered() -> None:
    keys = Keys()
    for number in range(100):
        assert await keys.get(f"guess {number}") is None
    assert await keys.get("guess 0") is None
    assert keys.looks == 101
