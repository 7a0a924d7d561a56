"""The text that the embedded model is trained on: public-domain English, made of Debian packages and of any
text files named. One of every twenty passages is held out, for measuring.

    apt-get install bible-kjv bible-kjv-text jargon-text dict-devil
    python3 corpus.py OUT [FILE ...]        writes OUT/train.txt and OUT/held_out.txt

Every byte is printable ASCII or a line's end; passages are separated by an empty line.
"""
import gzip
import hashlib
import os
import re
import subprocess
import sys
import unicodedata

# What the marks of typography become; anything else without an ASCII form is left out.
PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "--", "…": "...", "×": "x", "·": "-"})


def ascii_of(text):
    text = unicodedata.normalize("NFKD", text.translate(PLAIN))
    return "".join(c for c in text if c == "\n" or " " <= c <= "~")


def reflowed(text):
    """Paragraphs, each on one line, as they are separated by empty lines."""
    parts = re.split(r"\n\s*\n", text)
    return [re.sub(r"\s+", " ", p).strip() for p in parts]


def bible():
    """The King James version, a chapter to a passage, without the verses' numbers."""
    said = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], stdout=subprocess.PIPE, check=True).stdout
    chapters, last = [], None
    for line in said.decode("latin-1").splitlines():
        name, _, verse = line.partition(" ")
        chapter = name.partition(":")[0]
        if chapter != last:
            chapters.append([])
        last = chapter
        chapters[-1].append(verse.strip())
    return [" ".join(c) for c in chapters]


def jargon():
    """The Jargon File, an entry's paragraph to a passage."""
    with gzip.open("/usr/share/doc/jargon-text/jargon.txt.gz", "rt", encoding="utf-8", errors="ignore") as file:
        return reflowed(re.sub(r"[{}]", "", file.read()))


def devil():
    """Bierce's Devil's Dictionary."""
    with gzip.open("/usr/share/dictd/devil.dict.dz", "rt", encoding="utf-8", errors="ignore") as file:
        return reflowed(file.read())


def drama(path):
    """A text as it stands, lines kept, a few speeches to a passage."""
    with open(path, encoding="utf-8", errors="ignore") as file:
        speeches = [s.strip() for s in re.split(r"\n\s*\n", file.read())]
    return ["\n\n".join(speeches[i:i + 8]) for i in range(0, len(speeches), 8)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sources = [("bible", bible()), ("jargon", jargon()), ("devil", devil())]
    sources += [(os.path.basename(p), drama(p)) for p in sys.argv[2:]]
    os.makedirs(sys.argv[1], exist_ok=True)
    train, held = [], []
    for name, passages in sources:
        passages = [ascii_of(p) for p in passages if len(p) >= 80]
        for p in passages:  # which are held out hangs on the passage alone
            (held if hashlib.sha256(p.encode()).digest()[0] % 20 == 0 else train).append(p)
        print(f"{name}: {len(passages)} passages, {sum(map(len, passages))} bytes")
    for name, passages in (("train", train), ("held_out", held)):
        with open(os.path.join(sys.argv[1], name + ".txt"), "w", encoding="ascii") as file:
            file.write("\n\n".join(passages) + "\n")
        print(f"{name}: {sum(map(len, passages))} bytes")


if __name__ == "__main__":
    main()
