"""The project's exceptions: one root, each class docstring its default message.

A message says what failed, on what, what was seen and what to do; facts are `key=value`. It never holds a secret, and
of a phone number only the last four digits.
"""


class DialerError(Exception):
    """something the dialer needs went wrong"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__class__.__doc__ or "")


class Refused(DialerError):
    """the request was understood and refused"""


class ConfigurationError(DialerError):
    """the configuration has problems"""


class Unavailable(DialerError):
    """a server that the dialer needs cannot be reached"""


class AriUnavailable(Unavailable):
    """Asterisk's REST interface cannot be reached"""


class DatabaseUnavailable(Unavailable):
    """the database cannot be reached"""


class DialerNotRunning(Unavailable):
    """the dialer is not running; start it with `stasis-dialer run`"""


class IllegalEvent(DialerError):
    """an event reached a call or an agent in a state where it cannot happen"""


class NotSupervisor(Refused):
    """the extension has no right to listen to agents"""


class NumberRefused(Refused):
    """the text is not a phone number that may be dialled"""

    reason = "invalid_number"
    """The word for it in results and in a lead's `result`."""


class ForeignNumber(NumberRefused):
    """the number is of another country, and the campaign calls none"""

    reason = "foreign_number"


class PremiumNumber(NumberRefused):
    """the number costs the callee or us a charge, and the campaign calls none"""

    reason = "premium_number"


class CampaignNotFound(Refused):
    """there is no such campaign"""


class LabError(DialerError):
    """the lab could not be built or started"""
