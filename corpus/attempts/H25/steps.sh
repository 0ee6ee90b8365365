python3 history.py log
python3 history.py show "$(python3 history.py log | tail -n 1 | cut -d ' ' -f 1)" | head -n 20

python3 - <<'PY'
text = open("durations.py").read()
text = text.replace("    return seconds\n\n\ndef show", '    return -seconds if text[:1] == "-" else seconds\n\n\ndef show')
text = text.replace('    text = ""\n    for unit', '    text = ""\n    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)\n    for unit')
text = text.replace("    return text\n\n\ndef main", '    return sign + text if text else "0s"\n\n\ndef main')
open("durations.py", "w").write(text)
PY
