"""What a candidate says to the world and a test may listen to: log records and warnings."""

import warnings


def _hear_record(name, level, message):
    import logging  # rarely needed, and each fork is dearer for it

    logger = logging.getLogger(name)
    if logger.isEnabledFor(level):
        logger.handle(logger.makeRecord(name, level, "", 0, message, (), None))


def _hear_warning(warning):
    warnings.warn(warning, stacklevel=2)


# By request, what the tests' side does.
HEARD = {"log": _hear_record, "warn": _hear_warning}


def _follow_log(ask):
    import logging

    class Records(logging.Handler):
        def emit(self, record):
            ask("log", 0, record.name, record.levelno, record.getMessage())

    root = logging.getLogger()
    root.addHandler(Records())
    root.setLevel(1)


def _follow_warnings(ask):
    warnings.simplefilter("always")

    def show(message, *_, **__):
        ask("warn", 0, message)

    warnings.showwarning = show


# By what is followed, what the candidate's side does with its `ask`.
FOLLOWED = {"logging": _follow_log, "warnings": _follow_warnings}
