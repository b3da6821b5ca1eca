"""What an alert becomes on its way to a pager: one incident per root cause."""

__version__ = "0.1.0"
