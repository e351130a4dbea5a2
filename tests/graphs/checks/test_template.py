"""What prompts share, in scripts with and without spaces between words."""

from __future__ import annotations

import pytest

from graphs.checks.template import Template

ASK = "请阅读下面这条客户发给银行客服的留言，判断客户的意图属于哪一类。留言："
THAI = "โปรดอ่านข้อความของลูกค้าแล้วตอบว่าเรื่องอะไร:"


@pytest.mark.parametrize(
    ("before", "texts", "after"),
    [
        (ASK, ["我要退款", "卡被偷了", "忘记密码", "今天汇率", "怎么转账"], ""),
        (ASK, ["我要退款", "卡被偷了", "忘记密码", "今天汇率", "怎么转账"], "。请回答类别名称"),
        (THAI, ["บัตรหาย", "ลืมรหัส", "ขอเงินคืน", "โอนเงิน"], ""),
        ("Which intent? ", ["my card is lost", "where is my refund", "I forgot it"], " Answer:"),
    ],
)
def test_what_all_prompts_share_is_taken_off(before: str, texts: list[str], after: str) -> None:
    prompts = [f"{before}{text}{after}" for text in texts]
    template = Template.from_prompts(prompts)
    assert [template.strip(prompt) for prompt in prompts] == texts
    assert template.strip(f"{before}{texts[0][::-1]}{after}") == texts[0][::-1], "a new row too"


def test_words_with_spaces_are_not_cut_by_letters() -> None:
    """All begin with `re`, which is no template."""
    prompts = ["refund my money", "return the parcel", "repeat the code", "reset it"]
    assert [Template.from_prompts(prompts).strip(prompt) for prompt in prompts] == prompts
