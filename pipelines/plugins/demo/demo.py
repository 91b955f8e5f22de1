#!/usr/bin/env python3
"""The demo's own plugin: a program that speaks the line protocol of `kind: exec` plugins.

File descriptor 0 is a socket: one JSON object a line comes in for each attempt, and one JSON object a line goes out.
What is printed to standard output or standard error becomes the attempt's log.
"""

import array
import collections
import json
import math
import os
import sys
import wave


class Refused(Exception):
    """The stage cannot work with this `with`."""


def say(message):
    """Sends one message; a socket may take it in pieces."""
    line = (json.dumps(message) + "\n").encode()
    while line:
        line = line[os.write(0, line) :]


# Titles --------------------------------------------------------------------------------------------------------------

SMALL_WORDS = {"a", "an", "and", "as", "at", "but", "by", "for", "in", "nor", "of", "on", "or", "the", "to", "with"}

# The colour of the word being said, by the mood that the keywords suggest.
MOODS = [
    ("#ffd166", {"light", "lamp", "sun", "beam", "lighthouse", "fire", "summer", "flash"}),
    ("#6fd3ff", {"sea", "ocean", "tide", "water", "rain", "river", "ship", "wave", "waves"}),
    ("#9be564", {"forest", "tree", "garden", "leaf", "field", "bee"}),
    ("#d0a2ff", {"night", "moon", "star", "space", "planet"}),
]
PLAIN = "#ffe08a"

# Who made the pictures, in the languages of the demo.
CREDIT = {"en": "Pictures: ", "es": "Imágenes: ", "uk": "Зображення: "}


def headline(title):
    """Title case as headlines have it: small words stay small unless they stand first or last."""
    words = title.split()
    last = len(words) - 1
    cased = [
        word if any(c.isupper() for c in word[1:])
        else word.lower() if word.lower() in SMALL_WORDS and 0 < place < last
        else word[:1].upper() + word[1:]
        for place, word in enumerate(words)
    ]
    return " ".join(cased)


def titles(given, scratch):
    language = given.get("language", "en")
    # Capitals are English: other languages write their headlines like any sentence.
    title = headline(given["title"]) if language == "en" else given["title"].strip()
    if not title:
        raise Refused("`title` is empty")
    counted = collections.Counter(word.lower() for scene in given["scenes"] for word in scene.get("keywords", []))
    ranked = sorted(counted, key=lambda word: (-counted[word], word))
    scores = [(sum(counted[word] for word in words), colour) for colour, words in MOODS]
    best, colour = max(scores, key=lambda score: score[0])
    hashtags = ["#" + "".join(c for c in word if c.isalnum()) for word in ranked if any(c.isalnum() for c in word)]
    hashtags = hashtags[: given.get("hashtags", 5)]

    lines = [title, "", given["scenes"][0]["narration"], "", " ".join(hashtags)]
    people = sorted({credit["author"] for credit in given.get("credits", []) if credit.get("author")})
    credit = CREDIT.get(language, CREDIT["en"]) + ", ".join(people) if people else ""
    if credit:
        lines += ["", credit]
    with open(os.path.join(scratch, "post.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    return {
        "title": title,
        "credit": credit,
        "captions": {
            "highlight": colour if best else PLAIN,
            "size_percent": 6.8,
            "stroke_percent": 0.55,
            "position": "bottom",
            "lines": 2,
        },
        "hashtags": hashtags,
        "post": {"$file": "post.txt", "media_type": "text/plain"},
    }


# Music ---------------------------------------------------------------------------------------------------------------

RATE = 24_000
# Steps of a scale above the root, in semitones: four chords that lead back to the first.
CHORDS = [(0, 7, 12, 16), (-4, 8, 12, 15), (-7, 5, 12, 17), (-5, 7, 11, 14)]


def music(given, scratch):
    seconds, root = float(given.get("seconds", 16)), float(given.get("root_hz", 110))
    length = int(seconds * RATE)
    left, right = [0.0] * length, [0.0] * length
    each = length // len(CHORDS)
    for number, chord in enumerate(CHORDS):
        say({"type": "progress", "done": number, "total": len(CHORDS), "unit": "chords", "phase": "playing"})
        for step in chord:
            # A chord comes and goes over the length of two, so that neighbours blend, across the seam as well.
            voice(left, right, root * 2 ** (step / 12), number * each - each // 2, each * 2)
    peak = max(max(map(abs, left)), max(map(abs, right)))
    frames = array.array("h")
    for pair in zip(left, right):
        frames.extend(int(value / peak * 20_000) for value in pair)
    if sys.byteorder == "big":
        frames.byteswap()
    with wave.open(os.path.join(scratch, "music.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames.tobytes())
    return {"music": {"$file": "music.wav", "media_type": "audio/wav"}, "seconds": length / RATE}


def voice(left, right, hertz, start, length):
    """Adds one note: two sines a little apart, one for each ear, and a quiet octave."""
    whole = len(left)
    low, high = math.tau * hertz * 0.9985 / RATE, math.tau * hertz * 1.0015 / RATE
    sin = math.sin
    for n in range(length):
        # A raised cosine: silent at both ends, so that nothing clicks.
        loud = 0.5 - 0.5 * math.cos(math.tau * n / length)
        at = (start + n) % whole
        left[at] += loud * (sin(low * n) + 0.2 * sin(2 * low * n))
        right[at] += loud * (sin(high * n) + 0.2 * sin(2 * high * n))


# The protocol --------------------------------------------------------------------------------------------------------

STAGES = {"titles": titles, "music": music}


def answer(message):
    """The answer to one attempt."""
    try:
        outputs = STAGES[message["stage"]](message["with"], message["call"]["scratch"])
    except Refused as refused:
        return {"type": "fail", "class": "invalid_input", "message": str(refused)}
    except OSError as error:
        return {"type": "fail", "class": "resource", "message": f"the file could not be written: {error}"}
    return {"type": "reply", "outputs": outputs}


def main():
    with open(0, encoding="utf-8", closefd=False) as lines:
        for line in lines:
            message = json.loads(line)
            # A cancel needs no answer: the process is ended if the work takes too long.
            if message["type"] == "run":
                say(answer(message))


if __name__ == "__main__":
    main()
