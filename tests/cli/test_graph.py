"""graph: neighbours and why, whatever way a node is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import Run

FILES = {
    "conftest.py": "",  # so that the tests find the modules beside it
    "shop.py": "import json\n\n\ndef price(): return 1\n\n\ndef total(): return price() + price()\n",
    "till.py": "from shop import total\n\n\ndef price(): raise KeyError('x')\n\n\ndef bill(): return total()\n",
    "tests/test_shop.py": "from shop import total\n\n\ndef test_total():\n    assert total() == 3\n",
}
REPORT = """<testsuite><testcase classname="tests.test_shop" name="test_total">
<failure type="AssertionError" message="assert 2 == 3">tests/test_shop.py:5: AssertionError</failure>
</testcase></testsuite>"""


@pytest.fixture
def source(project: Path) -> Path:
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    return project


def test_neighbours_are_grouped_by_the_kind_of_link_with_the_reason(run: Run, source: Path) -> None:
    assert source
    assert run("graph", "total").out.splitlines() == [
        "function:shop.py::total",
        "calls:",
        "  function:shop.py::price  refers to `price`, defined in the same file",
        "tested_by:",
        "  test:tests/test_shop.py::test_total  refers to `total`, imported from shop",
        "called_by:",
        "  function:till.py::bill  refers to `total`, imported from shop",
        "part_of:",
        "  module:shop.py  line 7",
    ]


@pytest.mark.parametrize(
    ("given", "node"),
    [
        ("function:shop.py::total", "function:shop.py::total"), ("shop.py::total", "function:shop.py::total"),
        ("./shop.py", "module:shop.py"), ("module:shop.py", "module:shop.py"), ("json", "library:json"),
        ("KeyError", "error:KeyError"), ("tests/test_shop.py::test_total[1]", "test:tests/test_shop.py::test_total"),
    ],
)  # fmt: skip
def test_a_node_has_many_names(run: Run, source: Path, given: str, node: str) -> None:
    assert source
    found = run("graph", given, "--json").json
    assert found["node"] == node
    assert found["links"]


def test_links_can_be_chosen_followed_and_counted(run: Run, source: Path) -> None:
    assert source
    found = run("graph", "shop.py::price", "--kind", "called_by", "--kind", "tested_by", "--depth", "3", "--json").json
    assert found == {
        "node": "function:shop.py::price",
        "nodes": [
            {"node": "function:shop.py::total", "distance": 1},
            {"node": "test:tests/test_shop.py::test_total", "distance": 2},
            {"node": "function:till.py::bill", "distance": 2},
        ],
        "more": 0,
    }
    ran = run("graph", "total", "--most", "1")
    assert len(ran.out.splitlines()) == 3
    assert ran.err == "dispatcher: 3 more; --most shows them\n"
    assert run("graph", "total", "--most", "1", "--json").json["more"] == 3
    assert "no such links" in run("graph", "total", "--kind", "raises").err


@pytest.mark.parametrize(
    "given", ["price", "gone", "", "module:gone.py", "shop.py::gone", "task:gone", "x" * 500, "a\nb\x1b"]
)
def test_what_names_no_node_or_several_is_one_line(run: Run, source: Path, given: str) -> None:
    assert source
    ran = run("graph", given, code=2)
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert len(ran.err) < 300
    if given == "price":
        assert "function:shop.py::price, function:till.py::price" in ran.err


def test_tasks_are_linked_with_their_tests_their_error_and_what_they_wait_for(
    run: Run, root: Path, source: Path
) -> None:
    assert root
    assert source
    (source / "report.xml").write_text(REPORT)
    run("scan", "--junit", "report.xml", code=None)
    (task,) = run("list", "--json").json["tasks"]
    run("add", "later", "--depends-on", task["id"])
    found = {(link["kind"], link["node"]) for link in run("graph", task["id"][:8], "--json").json["links"]}
    assert {("contains", "test:tests/test_shop.py::test_total"), ("raises", "error:AssertionError")} <= found
    assert ("used_by", "task:later") in {(kind, node[:10]) for kind, node in found}
    test = run("graph", "test_total", "--json").json["links"]
    assert {"kind": "part_of", "node": f"task:{task['id']}", "why": "one of its tests"} in test
    error = run("graph", "error:AssertionError", "--json").json["links"]
    assert [link["node"] for link in error if link["kind"] == "raised_in"] == [f"task:{task['id']}"]


def test_attempts_are_part_of_their_task(run: Run, root: Path) -> None:
    assert root
    run("add", "one")
    (task,) = run("list", "--json").json["tasks"]
    run("claim", "--agent", "ann")
    run("release", task["id"], "--agent", "ann")
    (link,) = run("graph", f"task:{task['id']}", "--json").json["links"]
    assert link == {"kind": "contains", "node": f"attempt:{task['id']}@1", "why": "released by ann"}
    assert run("graph", link["node"], "--json").json["links"] == [
        {**link, "kind": "part_of", "node": f"task:{task['id']}"}
    ]


def test_a_root_that_is_named_must_be_there(run: Run, source: Path) -> None:
    assert source
    assert "no INBOX at" in run("--root", "gone", "graph", "total", code=9).err
