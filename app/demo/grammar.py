"""The embedded teacher's rules for the style and the topic of a message.

The rules look at words, and are the same for every text. They contain no row of the data set.
"""

from __future__ import annotations

import re

from app.demo.composer import Style

QUOTATION = re.compile(r"[\"“][^\"”]*[\"”]")
CLAUSE_END = re.compile(r"(?<=[.!?:;])\s+|,\s+(?=(?:but|yet|and now|still|although)\b)")
NEGATION = re.compile(
    r"\b(not (?:about|for|because|a matter|mean|my (?:concern|point)|the reason|why|that)|nothing (?:to do|(?:is )?wrong)"
    r"|(?:no|none) (?:complaint|question|about)|neither|nor|let alone|rather than about|instead of about|forget|never mentioned|aside"
    r"|(?:isn't|isn’t|is not|don't|do not|don’t) (?:it|about|about that|a question|mean|think|care|send|pass|file)|want neither"
    r"|does not concern|never concerned)\b|(?:^|[.:!?,] )(?:no, )?not (?:the|my|a|an|some|any)\b",
    re.IGNORECASE,
)
TIME = re.compile(
    r"\b(first(?: of all)?|then|after that|afterwards|soon after|later|next|finally|eventually|at last|in the end|shortly after"
    r"|once|last (?:week|month|year|winter|summer|spring|autumn)|(?:weeks?|days?|months?|years?) (?:ago|later|after)|years ago"
    r"|(?:on|by) (?:mon|tues|wednes|thurs|fri|satur|sun)day|in (?:january|june|spring|summer|autumn|winter)|the (?:next|day|morning)"
    r"|before christmas|at easter|new year|when|it (?:all )?(?:began|started)|not long after|as soon as|since then|until now|by autumn)\b",
    re.IGNORECASE,
)
JOY = re.compile(
    r"\b(lovely|wonderful(?:ly)?|brilliant|bravo|fantastic|perfect|great|excellent|superb|splendid|marvellous|fabulous|amazing"
    r"|delight(?:ed|ful)?|thrilled|happy|happier|joy|pleasure|pleased|glad|grateful|gratitude|proud|love|adore|charm(?:ing)?|treat"
    r"|treasured?|thanks?|congratulations|compliments?|applause|ovation|hooray|lucky|the best|masterpiece|thoughtful|hats off|kind|friendly"
    r"|five stars|ten out of ten|full marks|over the moon|spoil|talent|prais(?:e|ed)|finest|nicer?|recommend|dream|angel|smile|beautiful"
    r"|gorgeous|loyal|exceeded|cheerful|cosy|elegant|envy|keep up)\b",
    re.IGNORECASE,
)
TOPICS = {
    "billing": r"(?:in)?voices?|bill(?:ed|s)?|charge[ds]?|pa(?:y|id|yment)s?|unpaid|fees?|tax|vat|debit(?:ed)?|receipts?|price|cost|coupon"
    r"|discount|voucher|deducted|instalments?|dollars|bank|statement|cheaper|balance|premium|amount|sum|credit card",
    "delivery": r"deliver(?:ed|y|s)?|couriers?|driver|drop(?:ped)?(?:-| )off|parcel|track(?:ing)?|depot|ship(?:ped|ping|ment)?|lorry|van"
    r"|carrier|postm[ae]n|postwoman|postcode|arriv(?:ed|al|es)|locker|pick-up|warehouse|turned up|on its way|package",
    "returns": r"return(?:s|ed|ing)?|refund|exchang(?:e|ed|ing)|swap(?:ped|ping)?|(?:send|sent|sending|hand|give|gave|giving|go|goes|going"
    r"|take|took|posted|posting|post)(?: \w+){0,4} back|money back|trade|withdraw|store credit|unopened",
    "account": r"log(?:ged)?(?: |-)?ins?|logins?|logging in|logs me out|logged|password|profile|user(?: |-)?names?|accounts?|sign(?:ed|ing)?(?:-| )(?:in|up)"
    r"|register(?:ed)?|newsletter|settings|email address|credentials|verification|security code|notifications|marketing|personal data|surname"
    r"|customer data|locked out",
    "repairs": r"repair(?:ed|s)?|fix(?:ed)?|broke(?:n)?|mend(?:ed)?|fault(?:y)?|guarantee|warranty|spare|fuse|rattles?|stuck|crack(?:ed)?|knob|smells?"
    r"|spring broke|died|dead|power up|turns? on|stopped (?:turning|working)|hums?|shakes|technician|engineer|defect|breakdown|jammed"
    r"|screw|motor|casing|snapped|worn out|stalling|flickering|beeps|frayed|switch|shuts|electric shock|replacement part",
}
WORDS = {team: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for team, pattern in TOPICS.items()}


def style_of(message: str) -> Style:
    """The style of a message; `plain` when no rule applies. Sarcasm needs a problem together with words of joy."""
    if QUOTATION.search(message):
        return Style.QUOTE
    if NEGATION.search(message):
        return Style.NEGATION
    if len(TIME.findall(message)) >= 2:
        return Style.STORY
    if JOY.search(message) and problem(message):
        return Style.SARCASM
    return Style.PLAIN


def problem(text: str) -> str | None:
    """The team whose words occur most, praise aside; None when there are none. On a tie the topic named last wins."""
    matches = {team: [match.start() for match in pattern.finditer(text)] for team, pattern in WORDS.items()}
    counts = {team: (len(starts), starts[-1]) for team, starts in matches.items() if starts}
    return max(counts, key=lambda team: counts[team]) if counts else None


def team_of(message: str) -> str | None:
    """The team that a message is for, or None when the rules cannot tell."""
    wish = request(message)
    return problem(wish) or ("praise" if JOY.search(wish) else None)


def request(message: str) -> str:
    """The part of a message that says what the customer wants: no quotation, nothing ruled out, the end of a story."""
    style = style_of(message)
    if style is Style.QUOTE:
        return QUOTATION.sub(" ", message)
    clauses = CLAUSE_END.split(message)
    if style is Style.NEGATION:
        return " ".join(clause for clause in clauses if not NEGATION.search(clause))
    return clauses[-1] if style is Style.STORY else message
