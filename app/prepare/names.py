"""What columns are called: the names of common formats and of people's tables, best first."""

from __future__ import annotations

import re

PROMPTS = (
    "prompt", "question", "query", "utterance", "input", "instruction", "text", "message", "sentence", "request",
    "content", "body", "user", "human", "problem", "document", "passage", "review", "comment", "email", "mail",
    "ticket", "post", "tweet", "headline", "article", "description", "transcript", "source", "title", "subject",
    "frage", "nachricht", "anfrage", "eingabe", "kundennachricht", "beschreibung", "betreff", "satz", "texte",
    "pregunta", "mensaje", "texto", "entrada", "pergunta", "mensagem", "requête", "domanda", "testo", "messaggio",
    "vraag", "tekst", "вопрос", "текст", "сообщение", "質問", "入力", "問い合わせ", "本文", "テキスト", "文",
    "问题", "文本", "输入", "内容", "질문", "텍스트", "입력", "प्रश्न", "सवाल", "पाठ", "संदेश", "คำถาม", "ข้อความ",
    "سؤال", "نص",
)  # fmt: skip
ANSWERS = (
    "completion", "answer", "response", "output", "label_text", "label_name", "intent_name", "label", "labels", "target", "category", "class", "intent",
    "sentiment", "topic", "expected", "expected_output", "reply", "gold", "solution", "assistant", "chosen", "tag",
    "result", "ground_truth", "reference", "summary", "translation", "priority", "department", "json", "answers",
    "code", "rating", "score", "type", "antwort", "kategorie", "klasse", "ausgabe", "ergebnis", "abteilung",
    "lösung", "thema", "absicht", "respuesta", "etiqueta", "categoría", "categoria", "resposta", "réponse",
    "catégorie", "étiquette", "risposta", "antwoord", "categorie", "ответ", "метка", "категория", "класс",
    "回答", "答え", "ラベル", "カテゴリ", "カテゴリー", "分類", "出力", "答案", "标签", "类别", "输出", "답변", "라벨",
    "카테고리", "출력", "उत्तर", "जवाब", "लेबल", "श्रेणी", "คำตอบ", "ป้ายกำกับ", "หมวดหมู่", "إجابة", "تصنيف",
)  # fmt: skip
MAIN_ANSWERS = 14
"""So many of the names of answers count as the first word of a name, too."""
CONTEXTS = ("context", "passage", "document", "article", "paragraph", "kontext", "textstelle", "文脈", "本文")
SUBJECTS = ("subject", "title", "headline", "betreff", "titel", "asunto", "objet", "件名", "标题", "제목")
BODIES = (
    "body", "text", "message", "content", "description", "nachricht", "beschreibung", "mensaje", "texte", "本文",
    "正文", "内容",
)  # fmt: skip
INPUTS = ("input", "context", "inputs")
SYSTEMS = ("system", "system_prompt", "systemprompt", "system_message")
CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
CHOICES = ("choices", "options", "endings", "alternatives", "candidates")
GROUPS = (
    "group", "group_id", "customer_id", "customer", "client_id", "user_id", "account_id", "patient_id", "author_id",
    "author", "session_id", "conversation_id", "thread_id", "thread", "document_id", "doc_id", "source_id",
    "article_id", "case_id", "order_id", "company_id", "company", "kunde", "kunden_id", "kundennummer", "kunden_nr",
    "cliente", "client", "顧客id", "顧客番号", "客户id",
)  # fmt: skip
IDS = (
    "id",
    "_id",
    "uid",
    "uuid",
    "guid",
    "row_id",
    "example_id",
    "qid",
    "idx",
    "index",
    "nr",
    "no",
    "number",
    "#",
)
TIMES = (
    "created_at", "created", "date", "datetime", "timestamp", "time", "updated_at", "received", "received_at",
    "sent_at", "datum", "erstellt", "zeit", "fecha", "data", "日付", "日時", "日期",
)  # fmt: skip
_OPTION_COLUMN = re.compile(
    r"(?:option|choice|answer|opt|distractor|ending|antwort)?[ _-]?([a-h]|[0-9])", re.IGNORECASE
)


def fold(name: str) -> str:
    """A name as it is compared: the last part of a path, lower case, blanks as underscores."""
    return re.sub(r"[\s\-]+", "_", name.rsplit(".", 1)[-1].strip().casefold())


def known(name: str, kind: tuple[str, ...]) -> bool:
    """Whether a column's name is one of a kind's."""
    return rank(name, kind) < 2 * len(kind)


def rank(name: str, kind: tuple[str, ...]) -> int:
    """Place of a name among those of a kind: first whole names, then those like `customer_message`; twice their number for none."""
    folded = fold(name)
    if folded in kind:
        return kind.index(folded)
    words = folded.split("_")
    telling = words[0] if words[0] in ANSWERS[:MAIN_ANSWERS] else words[-1]
    # the last word says what a column is, but `answer_text` is an answer and no text
    if kind in (PROMPTS, ANSWERS) and len(words) > 1 and telling in kind:
        return len(kind) + kind.index(telling)
    return 2 * len(kind)


def option_letter(name: str) -> str | None:
    """The option that a column holds: `A`, `option_b`, `choice 3`; None for any other name."""
    found = _OPTION_COLUMN.fullmatch(name.strip())
    return found[1].upper() if found else None
