"""The commits of the repository, oldest first; the texts of durations.py follow from the one in the workspace."""

MENDS = (
    ("    return seconds\n\n\ndef show", "    return -seconds if text.startswith(\"-\") else seconds\n\n\ndef show"),
    ("    text = \"\"\n    for unit", "    text, negative, seconds = \"\", seconds < 0, abs(seconds)\n    for unit"),
    ("    return text\n\n\ndef main", "    return (\"-\" if negative else \"\") + (text or \"0s\")\n\n\ndef main"),
)
WRONG = (
    ("    return seconds\n\n\ndef show", "    return abs(seconds) + 1\n\n\ndef show"),
    ("    return text\n\n\ndef main", "    return text[::-1]\n\n\ndef main"),
)


def replaced(text, pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def commits(present, later):
    """Returns the history: `present` is the text of the workspace, `later` that of the commit that came after it."""
    first = present.replace('"d": 86400, ', "")
    names = ("2f61c0a", "8be9d14", "c70a5e3")
    return {
        "head": names[1],
        "commits": {
            names[0]: {"parent": None, "subject": "durations: hours, minutes, seconds", "durations.py": first},
            names[1]: {"parent": names[0], "subject": "durations: days", "durations.py": present},
            names[2]: {"parent": names[1], "subject": "durations: signs and nothing at all, mended", "durations.py": later},
        },
    }
