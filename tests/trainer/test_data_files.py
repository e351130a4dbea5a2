"""Valid files of rows, and the errors for invalid ones."""

import json
import time
from pathlib import Path

import pytest

from trainer.artifacts import write_jsonl
from trainer.data_files import DataError, line_of, read_examples

GOOD = '{"id": "a", "prompt": "2 + 2?", "completion": "4"}'


def write(folder: Path, *lines: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path)
    return str(caught.value)


def chat(*turns: tuple[str, str], **fields: str) -> str:
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns], **fields})


def test_keeps_order_and_unknown_fields(tmp_path: Path) -> None:
    rows = read_examples(
        write(tmp_path, GOOD, '{"id":"b","prompt":"p","completion":"c","choices":["x","y"]}')
    )
    assert [(row.id, row.prompt, row.completion) for row in rows] == [("a", "2 + 2?", "4"), ("b", "p", "c")]
    assert rows[1].field("choices") == ["x", "y"]


def test_byte_order_mark_windows_line_ends_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n" + GOOD.replace('"a"', '"b"').encode())
    assert [row.id for row in read_examples(path)] == ["a", "b"]


def test_a_line_separator_inside_a_text_does_not_end_the_row(tmp_path: Path) -> None:
    rows = read_examples(write(tmp_path, '{"prompt": "one\u2028two", "completion": "c"}'))
    assert rows[0].prompt == "one\u2028two"


def test_missing_ids_come_from_stem_and_line(tmp_path: Path) -> None:
    path = write(
        tmp_path, "", '{"prompt": "p", "completion": "c"}', '{"id": 7, "prompt": "q", "completion": "c"}'
    )
    assert [row.id for row in read_examples(path)] == ["rows-2", "7"]
    assert [line_of(path, "rows-2"), line_of(path, "7"), line_of(path, "8")] == [2, 3, None]


def test_chat_row(tmp_path: Path) -> None:
    turns = (
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
        ("assistant", "Ciao"),
    )
    [row] = read_examples(write(tmp_path, chat(*turns, source="x")))
    assert (row.prompt, row.completion, row.field("source")) == ("Bye", "Ciao", "x")
    assert row.messages is not None
    assert [(turn.role, turn.content) for turn in row.messages] == list(turns[:4])


def test_what_was_read_and_written_reads_the_same(tmp_path: Path) -> None:
    first = read_examples(write(tmp_path, GOOD, chat(("user", "Hi"), ("assistant", "Hello"), note="kept")))
    write_jsonl(tmp_path / "again.jsonl", first)
    assert read_examples(tmp_path / "again.jsonl") == first


def test_missing_file(tmp_path: Path) -> None:
    assert error(tmp_path / "no.jsonl").startswith(f"There is no file {tmp_path / 'no.jsonl'}.")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "must be a readable file" in error(tmp_path)


def test_a_device_in_place_of_a_file() -> None:
    assert error(Path("/dev/zero")).startswith("/dev/zero is a device or a pipe")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_file(tmp_path: Path, content: str) -> None:
    assert "has no rows" in error(write(tmp_path, content))


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + '{"prompt": "caf\xe9"}'.encode("latin-1"))
    assert error(path) == f"{path}, line 2: byte 0xe9 is not UTF-8. Save the file as UTF-8."


def test_broken_json_on_line_17(tmp_path: Path) -> None:
    rows = [GOOD.replace('"a"', f'"{number}"') for number in range(30)]
    rows[16] = '{"id": "x", "prompt": "p" "completion": "c"}'
    path = write(tmp_path, *rows)
    assert error(path).startswith(f"{path}, line 17: broken JSON at column 27: Expecting ',' delimiter.")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[1, 2]", "a list, not an object"),
        ('"text"', "text, not an object"),
        ("null", "null, not an object"),
        ('{"prompt": "p"}', "the row has no `completion`"),
        ('{"completion": "c"}', "the row has no `prompt`"),
        ('{"prompt": 4, "completion": "c"}', "`prompt` is a number, not text"),
        ('{"prompt": "p", "completion": null}', "`completion` is null, not text"),
        ('{"prompt": "p", "completion": {"a": 1}}', "`completion` is an object, not text"),
        ('{"prompt": " ", "completion": "c"}', "`prompt` is empty"),
        ('{"prompt": "p", "completion": ""}', "`completion` is empty"),
        ('{"id": ["a"], "prompt": "p", "completion": "c"}', "`id` is a list"),
        ('{"id": true, "prompt": "p", "completion": "c"}', "`id` is true"),
        ('{"prompt": "p \\ud83d", "completion": "c"}', "half a surrogate pair"),
        ('{"prompt": "p", "completion": "c", "n": ' + "9" * 5000 + "}", "JSON that cannot be read"),
        ('{"messages": []}', "`messages` is empty"),
        ('{"messages": "hi"}', "`messages` is text"),
        ('{"messages": ["hi"]}', "turn 1 of `messages` is text"),
        (chat(("user", "hi")), "`messages` ends with the user turn"),
        (chat(("user", "hi"), ("bot", "ho")), "turn 2 of `messages` has the unknown role 'bot'"),
        (chat(("system", "hi"), ("assistant", "ho")), "no user turn"),
        (chat(("user", "hi"), ("assistant", "ho"), completion="ha"), "there is a `completion` too"),
        (
            '{"messages": [{"role": "user", "content": null}]}',
            "the `content` of turn 1 of `messages` is null",
        ),
        (chat(("user", "hi"), ("assistant", " ")), "`completion` is empty"),
    ],
)
def test_faulty_row(tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path, GOOD, row)
    text = error(path)
    assert text.startswith(f"{path}, line 2: ")
    assert message in text
    assert "Further" not in text


def test_duplicate_ids_name_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, '{"prompt": "p", "completion": "c"}', GOOD)
    assert error(path).startswith(f"{path}, line 3: the id 'a' is already that of line 1.")


def test_the_first_fault_is_told_with_the_number_of_others(tmp_path: Path) -> None:
    path = write(tmp_path, "{", GOOD, GOOD, "[]")
    text = error(path)
    assert text.startswith(f"{path}, line 1: broken JSON")
    assert text.endswith("(Further faulty rows in this file: 2. `pada check` lists them.)")


def test_a_check_of_the_task_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(DataError, match="line 1: four is odd"):
        read_examples(path, lambda example: "four is odd" if example.completion == "4" else None)


def test_20000_rows_in_about_a_second(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, ({"prompt": f"{n} " + "word " * 100, "completion": "c", "n": n} for n in range(20_000)))
    start = time.perf_counter()
    assert len(read_examples(path)) == 20_000
    assert time.perf_counter() - start < 3  # 0.3 s when the machine is idle


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "p", "prompt": "q", "completion": "c"}', "the key 'prompt' stands twice"),
        ('{"prompt": "p", "completion": "c", "more": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
        ('{"prompt": "p", "completion": "c", "score": NaN}', "NaN, which JSON does not have"),
        ('{"prompt": "p", "completion": "c", "score": [Infinity]}', "Infinity, which JSON does not have"),
        ('{"prompt": "p", "completion": "c", "score": -Infinity}', "-Infinity, which JSON does not have"),
        ('{"prompt": "p", "completion": "c", "score": 1e999}', "the number 1e999, which is too large"),
        ('{"prompt": "p", "completion": NaN}', "NaN, which JSON does not have"),
    ],
)
def test_what_readers_of_json_take_for_different_things_is_refused(
    tmp_path: Path, line: str, reason: str
) -> None:
    message = error(write(tmp_path, GOOD, line))
    assert "rows.jsonl, line 2: " in message
    assert reason in message
