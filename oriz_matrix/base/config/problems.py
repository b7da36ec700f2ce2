"""What can be wrong with a configuration: one value for each thing, so that all of them are told at once."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """A fault of one option, before anybody knows where in a file it stands.

    `option` is a dotted path such as `listeners[0].port`, or empty for the file as a whole.
    """

    option: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A fault with its place.

    `line` counts from 1, or is 0 where there is none; `message` says what was expected; `nearest` is the right name
    that was probably meant, where there is one.
    """

    file: str
    line: int
    option: str
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        option = f"{self.option}: " if self.option else ""
        nearest = f" (did you mean `{self.nearest}`?)" if self.nearest else ""
        return place + option + self.message + nearest


class ConfigWrong(Exception):
    """The configuration cannot be used; `problems` are all the reasons, never empty."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))
