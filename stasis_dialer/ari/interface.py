"""What an operation of ARI is, and how keyword arguments become a request (pure).

Guarantees that an unknown or missing argument is a TypeError that names the valid ones, that falsy values are sent and
None is not, and that a request line stays under Asterisk's limit. Knows no operation by name: those are in
`operations`, generated from Asterisk's own description.
"""

import keyword
from typing import Any
from urllib.parse import quote

import msgspec

LONGEST_QUERY_CHARACTERS = 3000
"""A longer query travels in the JSON body instead.

Source: Asterisk main/http.c refuses request lines above 4096 characters; percent-encoding is allowed for by the caller.
"""


LONGEST_ID_CHARACTERS = 149
"""`/channels/create` cuts a longer id off without a word, and every event then bears an id that nobody knows.

Source: Asterisk 22.10.1, 2026-11: an id of 160 characters came back with 151; originate answers 400 above 149.
"""


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of an operation; `place` is path, query or body, `many` means a comma-separated list."""

    name: str
    place: str
    type: str
    required: bool = False
    many: bool = False


def argument_name(parameter: Parameter) -> str:
    """The name under which Python code passes a parameter: `from_` for ARI's `from`, which is a keyword."""
    return f"{parameter.name}_" if keyword.iskeyword(parameter.name) else parameter.name


class Operation(msgspec.Struct, frozen=True):
    """One operation of ARI, under ari-py's names: repository and nickname."""

    repository: str
    nickname: str
    method: str
    path: str
    returns: str
    summary: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a caller may use."""
        return tuple(argument_name(parameter) for parameter in self.parameters)


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a transport carries; `own` is the path of the object that is created under an id of the caller."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any = None
    own: str | None = None


class Builder:
    """Turns the arguments of one operation into requests; made once per operation, because it runs on every request."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._query = {item.name: item for item in operation.parameters if item.place == "query"}
        self._path = tuple(item.name for item in operation.parameters if item.place == "path")
        self._body = {item.name: item for item in operation.parameters if item.place == "body"}
        self._required = frozenset(item.name for item in operation.parameters if item.required)
        self._renamed = {
            argument_name(item): item.name for item in operation.parameters if keyword.iskeyword(item.name)
        }
        self._own = _own_id(operation)

    def build(self, arguments: dict[str, Any]) -> Request:
        """The request for these arguments.

        Raises: TypeError when an argument is unknown, or a required one is missing; ValueError for an id too long.
        """
        if self._renamed:
            arguments = {self._renamed.get(name, name): value for name, value in arguments.items()}
        path = self.operation.path
        for name in self._path:
            value = arguments.get(name)
            if value is None or value == "":
                raise self._wrong(missing=[name])
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        query: list[tuple[str, str]] = []
        body: Any = None
        for name, value in arguments.items():
            if name in self._query:
                if value is not None:
                    query.append((name, _as_text(value)))
            elif name in self._body:
                if value is not None:
                    body = self._body_for(name, value)
            elif name not in self._path:
                raise self._wrong(unknown=[key for key in arguments if key not in self.operation.names])
        if not self._required.issubset(arguments) or None in map(arguments.get, self._required):
            raise self._wrong(missing=[name for name in self._required if arguments.get(name) is None])
        own = self._own_path(arguments)
        if self._is_too_long(query) and not self._takes_whole_body():
            return Request(self.operation.method, path, [], self._all_in_body(arguments, body), own)
        return Request(self.operation.method, path, query, body, own)

    def _body_for(self, name: str, value: Any) -> Any:
        if self._body[name].type == "object":
            return value
        if name == "variables" and isinstance(value, dict):
            return {name: {key: _as_variable(item) for key, item in value.items()}}
        return {name: value}

    def _takes_whole_body(self) -> bool:
        return self.operation.method not in ("POST", "PUT") or any(
            item.type == "object" for item in self._body.values()
        )

    def _is_too_long(self, query: list[tuple[str, str]]) -> bool:
        return sum(len(name) + len(value) + 2 for name, value in query) > LONGEST_QUERY_CHARACTERS

    def _all_in_body(self, arguments: dict[str, Any], body: Any) -> dict[str, Any]:
        """The same parameters as typed JSON: in a body, Asterisk takes a number only from a JSON number."""
        content = dict(body or {})
        for name, value in arguments.items():
            parameter = self._query.get(name)
            if parameter is not None and value is not None:
                content[name] = _as_json(parameter, value)
        return content

    def _own_path(self, arguments: dict[str, Any]) -> str | None:
        if self._own is None:
            return None
        name, collection = self._own
        value = arguments.get(name)
        if not value:
            return None
        if len(str(value)) > LONGEST_ID_CHARACTERS:
            raise ValueError(f"{name} has {len(str(value))} characters; Asterisk takes {LONGEST_ID_CHARACTERS}")
        return f"{collection}/{quote(str(value), safe='')}"

    def _wrong(self, *, unknown: list[str] | None = None, missing: list[str] | None = None) -> TypeError:
        problem = f"does not take {', '.join(unknown)}" if unknown else f"needs {', '.join(sorted(missing or []))}"
        valid = ", ".join(self.operation.names) or "no arguments"
        return TypeError(f"{self.operation.repository}.{self.operation.nickname}() {problem}; it takes: {valid}")


def _own_id(operation: Operation) -> tuple[str, str] | None:
    """Which argument is the id of the object that a POST creates, and where that object then is."""
    if operation.method != "POST":
        return None
    created = {
        "Channel": "/channels",
        "Bridge": "/bridges",
        "Playback": "/playbacks",
        "LiveRecording": "/recordings/live",
    }
    collection = created.get(operation.returns)
    if collection is None:
        return None
    is_snoop = operation.nickname.startswith("snoop")
    name = {"Channel": "snoopId" if is_snoop else "channelId", "Bridge": "bridgeId", "Playback": "playbackId"}
    return name.get(operation.returns, "name"), collection


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(map(_as_text, value))
    return str(getattr(value, "id", value))


def _as_json(parameter: Parameter, value: Any) -> Any:
    if parameter.many:
        return [_as_text(item) for item in value] if not isinstance(value, str) else value.split(",")
    if parameter.type in ("int", "long"):
        return int(value)
    if parameter.type == "boolean":
        return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "1")
    return _as_text(value)


def _as_variable(value: Any) -> Any:
    return value if isinstance(value, dict) else _as_text(value)
