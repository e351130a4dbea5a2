"""Listed prices are for OpenAI's own endpoint only, and never over the user's."""

from graphs.teacher.prices import price_of
from graphs.teacher.spec import Price, TeacherSpec


def test_openai_models_have_a_listed_price_per_million_tokens() -> None:
    # gpt-4o: 2.50 and 10.00 US dollars per million tokens on OpenAI's price page
    assert price_of(TeacherSpec(model="gpt-4o").role("judge"), {}) == Price(
        input_per_million=2.5, output_per_million=10.0
    )


def test_the_same_name_elsewhere_has_no_price() -> None:
    assert price_of(TeacherSpec(model="gpt-4o", base_url="http://127.0.0.1:1/v1").role("judge"), {}) is None


def test_the_users_price_comes_first() -> None:
    own = Price(input_per_million=1, output_per_million=2)
    assert price_of(TeacherSpec(model="gpt-4o").role("judge"), {"gpt-4o": own}) == own


def test_an_unknown_model_has_no_price() -> None:
    assert price_of(TeacherSpec(model="no-such-model").role("judge"), {}) is None
