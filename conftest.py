"""What every test run shares, `pytest --nbval` included."""


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = (
                60  # nbval waits 5 s for the last output; a slow machine needs more
            )
