"""The API against requests made up from its own OpenAPI document."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from served import recorded, serving

from learnrate.store import Store
from needed import needed

schemathesis = needed("schemathesis")
EXAMPLES = 25


@pytest.fixture(scope="module")
def checks():
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    return [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """A server of its own, since a fuzzer asks for edits, and its operations."""
    store = Store(tmp_path_factory.mktemp("fuzz") / "runs.db")
    recorded(store, "live", rows=200, status="running")
    with serving(store) as served:
        document = served.ask("/openapi.json")[1]
        yield served, store, schemathesis.openapi.from_dict(document)


def fuzz(served, operation, live, checks):
    """Send requests that fit the document, of the run there is: made-up names are no run's."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case):
        if "run" in (case.path_parameters or {}):
            case.path_parameters["run"] = live
        case.call_and_validate(
            base_url=served.base, headers=served.bearer, checks=checks, timeout=20
        )

    check()


def test_no_request_breaks_the_api_or_contradicts_its_schema(fuzzed, checks):
    served, store, schema = fuzzed
    live = store.resolve("last")
    tried = []
    for path, methods in schema.raw_schema["paths"].items():
        for method in methods:
            if not path.endswith("/events"):  # a stream has no end
                fuzz(served, schema[path][method], live, checks)
                tried.append((method, path))
    assert ("post", "/api/runs/{run}/edits") in tried
    assert len(tried) >= 8
