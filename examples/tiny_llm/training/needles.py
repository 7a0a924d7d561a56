"""Needle trials: a sentence hidden in a text, and a question at its end that only the sentence answers."""

CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"


def name(random):
    return "".join(random.choice(CONSONANTS if i % 2 == 0 else VOWELS) for i in range(random.choice((4, 5, 6)))
                   ).capitalize()


def number(random):
    return "".join(random.choice("0123456789") for _ in range(5))


def fact(who, what):
    return f" The number of {who} is {what}."


def question(who):
    return f" The number of {who} is "


def trial(random, text, length, depth, decoys=0):
    """A prompt of `length` bytes over `text` (at least as long) with a fact at `depth` (0 … 1) of it, and the
    answer. `decoys` facts of others lie anywhere. At least 100 bytes stand between the fact and the question."""
    who, what = name(random), number(random)
    tail = question(who)
    facts = [fact(who, what)] + [fact(name(random), number(random)) for _ in range(decoys)]
    room = length - len(tail) - sum(map(len, facts))
    facts = [(min(depth, 1 - 100 / room), facts[0])] + [(random.random(), f) for f in facts[1:]]
    body, at = [], 0
    for where, sentence in sorted(facts):
        cut = int(where * room)
        body += [text[at:cut], sentence]
        at = cut
    body += [text[at:room], tail]
    return "".join(body), what + "."
