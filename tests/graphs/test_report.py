"""The types of `report.json`: a reader must find the same keys, whatever the run had."""

from __future__ import annotations

from graphs.report import RoleReport, TeacherReport


def test_a_run_without_a_teacher_has_no_roles() -> None:
    assert TeacherReport(stand_in=False).model_dump(mode="json") == {"stand_in": False}


def test_a_teacher_is_described_by_role_and_without_a_price_says_so() -> None:
    role = RoleReport(model="m", endpoint="http://localhost:1/v1", price="price unknown")
    report = TeacherReport(analyst=role, generator=role, judge=role, stand_in=True)
    described = report.model_dump(mode="json")
    assert list(described) == ["analyst", "generator", "judge", "stand_in"]
    assert described["judge"] == {"model": "m", "endpoint": "http://localhost:1/v1", "price": "price unknown"}
    assert TeacherReport(**described) == report
