"""One coroutine method per operation of ARI, made from the generated table.

`repositories.pyi`, generated from the same table, holds their types and documentation for editors and mypy. A call
goes: keyword arguments, request (`interface`), transport, and what came back as an object of `model`.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from stasis_dialer.ari.interface import Builder, Operation, argument_name
from stasis_dialer.ari.operations import OPERATIONS
from stasis_dialer.ari.transport import Transport


class Owner(Protocol):
    """The client, as far as a repository needs it."""

    transport: Transport

    def wrap(self, kind: str, json: Any) -> Any:
        """An object of ari-py for the JSON of a model of ARI."""
        ...


_BUILDERS = {f"{item.repository}.{item.nickname}": Builder(item) for item in OPERATIONS}


def find(name: str) -> Operation:
    """The operation under a name such as `channels.create`.

    Raises: KeyError when ARI has no such operation.
    """
    return _BUILDERS[name].operation


async def call(owner: Owner, operation: Operation, arguments: dict[str, Any]) -> Any:
    """Carry out one operation and answer its plain JSON, bytes for a binary body, None for an empty one.

    Raises: TypeError for wrong arguments; AriError, AriTimeout and AriUnavailable.
    """
    request = _BUILDERS[f"{operation.repository}.{operation.nickname}"].build(arguments)
    response = await owner.transport.request(request.method, request.path, request.query, request.body, own=request.own)
    return response.body if operation.returns == "binary" else response.json()


def _method(operation: Operation, filled: dict[str, str] | None = None) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The coroutine method of an operation; `filled` says which argument comes from which attribute of the object."""
    is_list = operation.returns.startswith("List[")
    kind = operation.returns.removeprefix("List[").removesuffix("]")

    async def method(self: Any, **arguments: Any) -> Any:
        for name, attribute in filled.items() if filled else ():
            arguments[name] = getattr(self, attribute)
        owner = self.client
        json = await call(owner, operation, arguments)
        if is_list:
            return [owner.wrap(kind, item) for item in json]
        return owner.wrap(kind, json)

    method.__name__ = operation.nickname
    method.__qualname__ = f"{operation.repository}.{operation.nickname}"
    method.__doc__ = operation.summary
    method.__signature__ = _signature(operation, filled or {})  # type: ignore[attr-defined]
    return method


def _signature(operation: Operation, filled: dict[str, str]) -> inspect.Signature:
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    for item in sorted(operation.parameters, key=lambda item: not item.required):
        if item.name not in filled:
            default = inspect.Parameter.empty if item.required else None
            parameters.append(inspect.Parameter(argument_name(item), inspect.Parameter.KEYWORD_ONLY, default=default))
    return inspect.Signature(parameters)


class Repository:
    """The operations of one part of ARI, under their nicknames."""

    name = ""

    def __init__(self, client: Any) -> None:
        self.client = client


def _repository(name: str) -> type[Repository]:
    methods: dict[str, Any] = {"name": name, "__doc__": f"The operations of ARI under /{name}."}
    for operation in OPERATIONS:
        if operation.repository == name and operation.nickname != "eventWebsocket":
            methods[operation.nickname] = _method(operation)
    return type(name[0].upper() + name[1:], (Repository,), methods)


REPOSITORIES = {name: _repository(name) for name in dict.fromkeys(item.repository for item in OPERATIONS)}


def _operations_on(repository: str, prefix: str, **filled: str) -> type:
    """A class with the operations on one object, its id filled in."""
    methods = {
        item.nickname: _method(item, filled)
        for item in OPERATIONS
        if item.repository == repository and item.path.startswith(prefix)
    }
    return type(f"{repository}Operations", (), methods)


ChannelOperations = _operations_on("channels", "/channels/{channelId}", channelId="id")
BridgeOperations = _operations_on("bridges", "/bridges/{bridgeId}", bridgeId="id")
PlaybackOperations = _operations_on("playbacks", "/playbacks/{playbackId}", playbackId="id")
LiveRecordingOperations = _operations_on("recordings", "/recordings/live/{recordingName}", recordingName="id")
StoredRecordingOperations = _operations_on("recordings", "/recordings/stored/{recordingName}", recordingName="id")
EndpointOperations = _operations_on("endpoints", "/endpoints/{tech}/{resource}", tech="technology", resource="resource")
DeviceStateOperations = _operations_on("deviceStates", "/deviceStates/{deviceName}", deviceName="id")
SoundOperations = _operations_on("sounds", "/sounds/{soundId}", soundId="id")
MailboxOperations = _operations_on("mailboxes", "/mailboxes/{mailboxName}", mailboxName="id")
Applications, Asterisk, Bridges, Channels = (
    REPOSITORIES[name] for name in ("applications", "asterisk", "bridges", "channels")
)
DeviceStates, Endpoints, Events, Mailboxes = (
    REPOSITORIES[name] for name in ("deviceStates", "endpoints", "events", "mailboxes")
)
Playbacks, Recordings, Sounds = (REPOSITORIES[name] for name in ("playbacks", "recordings", "sounds"))
