"""`python -m stasis_dialer` is `stasis-dialer`."""

from stasis_dialer.cli.main import main

if __name__ == "__main__":
    main()
