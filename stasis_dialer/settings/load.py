"""Reads YAML into the settings' models. Raises one `ConfigurationError` that lists every problem with line and hint.

`${NAME}` stands for the environment's value: secrets are never written in the file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from stasis_dialer.errors import ConfigurationError
from stasis_dialer.settings.campaign import CampaignFile
from stasis_dialer.settings.model import Settings

LARGEST_FILE: Final = 1_000_000
"""Bytes; a configuration is some kilobytes, and a huge file is a mistake."""
MOST_VALUES: Final = 100_000
"""Values of a file with its aliases written out; ten lines of aliases can stand for billions."""
VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_KEYS: Final = ("password", "token", "secret")

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 10:30 as the number 630, `off` as false and +5511 as an amount; here such words stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML declares it on the instance
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("int", "float", "bool")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?$"), list("-+0123456789")
)


@dataclass
class _Document:
    data: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line_of(self, path: Path_) -> int:
        """The line of the nearest thing that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the process.

    Raises: ConfigurationError with every problem of the file.
    """
    return _load(path, Settings, os.environ if environment is None else environment)


def load_campaign(path: Path) -> CampaignFile:
    """A campaign's YAML file.

    Raises: ConfigurationError with every problem of the file.
    """
    return _load(path, CampaignFile, {})


def _load(path: Path, model: type[Model], environment: Mapping[str, str]) -> Model:
    return _validate(str(path), _read(path), model, environment)


def check_campaign(fields: Mapping[str, Any]) -> CampaignFile:
    """A campaign from values that came from elsewhere than a file, such as the command line.

    Raises: ConfigurationError with every problem.
    """
    return _validate("the campaign", _Document(dict(fields)), CampaignFile, {})


def read_value(text: str) -> Any:
    """A value as YAML reads it: number, true, null, list or text.

    Raises: ConfigurationError.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"not a value: {text[:60]!r}; quote it") from error


def _validate(source: str, document: _Document, model: type[Model], environment: Mapping[str, str]) -> Model:
    data = _fill(document, document.data, (), environment)
    try:
        settings = model.model_validate(data if data is not None else {})
    except ValidationError as error:
        missing = {place for place, _ in document.problems}
        for problem in error.errors():
            line = document.line_of(problem["loc"])
            if line not in missing or problem["type"] == "extra_forbidden":
                document.problems.append((line, _describe(problem, model)))
    else:
        if not document.problems:
            return settings
    problems = sorted(set(document.problems))
    listed = "\n".join(f"  line {line}: {text}" if document.lines else f"  {text}" for line, text in problems)
    raise ConfigurationError(f"{source}: {len(problems)} problem{'s' if len(problems) > 1 else ''}\n{listed}")


def _read(path: Path) -> _Document:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigurationError(f"{path}: larger than {LARGEST_FILE} bytes; is it a configuration?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; give another with --config") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        document = _Document(yaml.load(text, Loader=_Loader))
        if node is not None:
            _mark(node, (), document, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}: 1 problem\n  line {line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    if document.data is not None and not isinstance(document.data, dict):
        raise ConfigurationError(f"{path}: 1 problem\n  line 1: must be keys and values, such as `ari:`")
    return document


def _mark(node: yaml.Node, path: Path_, document: _Document, above: tuple[yaml.Node, ...]) -> None:
    """Note the line of every value. Raises: ValueError when aliases make the file endless."""
    if node in above:
        raise ValueError(f"{_dotted(path)} holds itself; write it out")
    if len(document.lines) > MOST_VALUES:
        raise ValueError(f"too many values at {_dotted(path)}: its aliases stand for more than {MOST_VALUES}")
    above = (*above, node)
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _mark(child, (*path, index), document, above)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*path, str(key.value))
            if here in document.lines:
                document.problems.append((key.start_mark.line + 1, f"{_dotted(here)} stands twice; keep one"))
            document.lines[here] = key.start_mark.line + 1
            _mark(child, here, document, above)


def _fill(document: _Document, data: Any, path: Path_, environment: Mapping[str, str]) -> Any:
    if isinstance(data, dict):
        return {str(key): _fill(document, value, (*path, str(key)), environment) for key, value in data.items()}
    if isinstance(data, list):
        return [_fill(document, value, (*path, index), environment) for index, value in enumerate(data)]
    if not isinstance(data, str):
        return data

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = environment.get(name, "")
        if not found:
            hint = f"{_dotted(path)} needs the environment variable {name}, which is not set"
            document.problems.append((document.line_of(path), hint))
        return found

    return VARIABLE.sub(value, data)


def _describe(problem: Any, model: type[BaseModel]) -> str:
    path: Path_ = problem["loc"]
    name = _dotted(path)
    if problem["type"] == "extra_forbidden":
        beside = list(CampaignFile.model_fields) if model is CampaignFile else []
        close = difflib.get_close_matches(str(path[-1]), [*_keys(model, path[:-1]), *beside], n=1)
        return f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else "")
    if problem["type"] == "missing":
        return f"{name} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if path and str(path[-1]) in SECRET_KEYS:
        return f"{name}: {message}"
    shown = repr(problem["input"])
    return f"{name} is {shown if len(shown) <= 60 else shown[:57] + '...'}: {message}"


def _keys(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that may stand at a place of the file."""
    for step in path:
        if isinstance(step, int) or step not in model.model_fields:
            continue
        kind: Any = model.model_fields[step].annotation
        for candidate in (kind, *getattr(kind, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return list(model.model_fields)


def _dotted(path: Path_) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text or "the file"
